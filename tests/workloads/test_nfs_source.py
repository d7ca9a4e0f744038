from workloads.nfs_source import NfsSource


def test_volume_and_claim_are_bound_to_each_other() -> None:
    """The claim names its volume, and the volume accepts no other claim."""
    source = NfsSource(
        namespace="demo",
        name="nfs-src",
        server="10.0.0.9",
        path="/export/a",
        mount_options=("nfsvers=3", "hard"),
    )
    volume, claim = source.manifests()
    assert volume["metadata"]["name"] == claim["spec"]["volumeName"]
    reserved = volume["spec"]["claimRef"]
    assert (reserved["namespace"], reserved["name"]) == ("demo", claim["metadata"]["name"])
    assert volume["spec"]["nfs"] == {"server": "10.0.0.9", "path": "/export/a"}
    assert volume["spec"]["mountOptions"] == ["nfsvers=3", "hard"]
    assert volume["spec"]["storageClassName"] == claim["spec"]["storageClassName"] == ""
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert "namespace" not in volume["metadata"]
    assert volume["spec"]["accessModes"] == claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_no_options_are_sent_when_there_are_none() -> None:
    """Without mount options the system's own apply."""
    volume = NfsSource(namespace="demo", name="nfs-src", server="nfs").volume_manifest()
    assert "mountOptions" not in volume["spec"]


def test_the_volume_never_has_the_name_of_fluid_s() -> None:
    """A claim named as the Dataset still has a volume of another name than Fluid's own volume."""
    source = NfsSource(namespace="demo", name="imagenet", server="nfs")
    assert source.volume_name != "demo-imagenet"
    assert source.evolve(volume="mine").volume_name == "mine"
