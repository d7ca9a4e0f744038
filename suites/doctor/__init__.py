"""The doctor: what is wrong between Pods and Datasets of any cluster, in one command that only reads."""
