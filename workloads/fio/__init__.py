"""fio: its jobs as files, and its output as typed values."""

from workloads.fio.document import FioOutputError
from workloads.fio.job import MOST_JOBS, Amounts, DataFile, Job, Plan, load, names
from workloads.fio.model import Direction, FioReport, GroupReport, JobReport, Latency
from workloads.fio.parse import parse
from workloads.fio.percentiles import Bins

__all__ = [
    "MOST_JOBS",
    "Amounts",
    "Bins",
    "DataFile",
    "Direction",
    "FioOutputError",
    "FioReport",
    "GroupReport",
    "Job",
    "JobReport",
    "Latency",
    "Plan",
    "load",
    "names",
    "parse",
]
