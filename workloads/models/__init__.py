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
from workloads.models.data_load import DataLoad, TargetDataset, TargetPath
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
from workloads.models.laptop import laptop_runtime
from workloads.models.shared import PodMetadata, Resources, Toleration, User

__all__ = [
    "AccessMode",
    "AlluxioRuntime",
    "AlluxioVersion",
    "CleanCachePolicy",
    "Component",
    "Data",
    "DataLoad",
    "Dataset",
    "Fuse",
    "Level",
    "Management",
    "Manifest",
    "MetadataSyncPolicy",
    "Model",
    "Mount",
    "NodeAffinity",
    "NodeSelector",
    "NodeSelectorRequirement",
    "NodeSelectorTerm",
    "PodMetadata",
    "Resource",
    "Resources",
    "Runtime",
    "TargetDataset",
    "TargetPath",
    "TieredStore",
    "Toleration",
    "User",
    "laptop_runtime",
    "metadata",
    "yaml_of",
]
