"""The doctor: what is wrong between Pods and Datasets in any cluster, in one read-only command."""
