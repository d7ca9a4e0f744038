"""Where the system runs: providers, images, NFS, Fluid, Alluxio, access to Kubernetes, waiting."""
