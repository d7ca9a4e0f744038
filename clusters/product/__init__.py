"""The product under test and its servers: Fluid, Alluxio, and the NFS server that is their source."""
