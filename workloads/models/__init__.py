"""Typed models of the objects of Fluid that the scenarios make."""

from workloads.models.alluxio_runtime import (
    AlluxioRuntime,
    AlluxioVersion,
    CleanCachePolicy,
    Component,
    Data,
    Fuse,
    Level,
    Management,
    MetadataSyncPolicy,
    TieredStore,
)
from workloads.models.base import Manifest, Model, Resource, metadata, yaml_of
from workloads.models.data_backup import DataBackup
from workloads.models.data_load import DataLoad, TargetDataset, TargetPath
from workloads.models.data_migrate import DataMigrate, DatasetToMigrate, DataToMigrate, ExternalStorage
from workloads.models.data_process import DataProcess, MountedDataset, Processor, ScriptProcessor
from workloads.models.dataset import (
    AccessMode,
    Dataset,
    Mount,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Runtime,
)
from workloads.models.shared import PodMetadata, Resources, Toleration, User
from workloads.models.small_runtime import laptop_runtime

__all__ = [
    "AccessMode",
    "AlluxioRuntime",
    "AlluxioVersion",
    "CleanCachePolicy",
    "Component",
    "Data",
    "DataBackup",
    "DataLoad",
    "DataMigrate",
    "DataProcess",
    "DataToMigrate",
    "Dataset",
    "DatasetToMigrate",
    "ExternalStorage",
    "Fuse",
    "Level",
    "Management",
    "Manifest",
    "MetadataSyncPolicy",
    "Model",
    "Mount",
    "MountedDataset",
    "NodeAffinity",
    "NodeSelector",
    "NodeSelectorRequirement",
    "NodeSelectorTerm",
    "PodMetadata",
    "Processor",
    "Resource",
    "Resources",
    "Runtime",
    "ScriptProcessor",
    "TargetDataset",
    "TargetPath",
    "TieredStore",
    "Toleration",
    "User",
    "laptop_runtime",
    "metadata",
    "yaml_of",
]
