"""The system that is measured: data, Dataset and readers in the cluster, fio, and limits of the bandwidth."""
