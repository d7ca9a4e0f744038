"""What is put on the system: Datasets and runtimes, applications, data, fio, faults."""
