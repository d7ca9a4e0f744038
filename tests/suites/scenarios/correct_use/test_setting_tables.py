"""Tables of settings: where each is put, and what counts as seen."""

from clusters.product.alluxio.output import UnderMount
from suites.catalogue import crd_fields
from suites.scenarios.cache import test_c10_status_fields as status
from suites.scenarios.correct_use import runtime_settings as look
from suites.scenarios.correct_use import runtime_settings_tables as tables
from suites.scenarios.correct_use import test_a37_a42_runtime_settings as rows
from suites.scenarios.correct_use.test_a43_mount_options import VALUES, missing_options

INSIDE = look.Inside(frozenset({"A=b"}), "java -Dx=y alluxio.master.AlluxioMaster", frozenset({"/f"}))
POD = {
    "metadata": {"labels": {"k": "v"}},
    "spec": {
        "hostNetwork": True,
        "imagePullSecrets": [{"name": "s"}],
        "tolerations": [{"key": look.KEY}],
        "containers": [
            {
                "name": look.MASTER,
                "image": "docker.io/alluxio/alluxio-dev:2.9.0",
                "imagePullPolicy": "Never",
                "args": ["fuse", "--fuse-opts=ro,attr_timeout=61"],
                "ports": [{"containerPort": 28101}],
                "resources": {"limits": {"memory": "2560Mi"}},
            }
        ],
    },
}
SEEN = look.RuntimeSeen(
    pods={"master": POD},
    inside={look.MASTER: INSIDE},
    service={"metadata": {"labels": {"monitor": look.MONITOR}}},
    owner=(1234, 2345),
    pinned=(),
)


def test_each_setting_names_a_field_and_a_defect_of_its_row() -> None:
    """A misspelt field or defect is found without a cluster."""
    for table in (tables.host_network("alluxio", "Never"), tables.container_network()):
        assert {setting.field for setting in table} <= set(crd_fields.fields())
    keys = {setting.ignored for setting in tables.host_network("alluxio", "Never")} - {""}
    assert keys == {look.JOB_PARTS_IGNORED, look.WATERMARKS_IGNORED, look.PIN_IGNORED}


def test_values_are_merged_into_what_is_there() -> None:
    """Maps and lists keep their other entries; each item of a list of levels is changed."""
    spec = {"spec": {"jvmOptions": ["-Xmx1g"], "tieredstore": {"levels": [{"path": "a"}, {"path": "b"}]}}}
    rows.merge(spec, ["spec", "jvmOptions"], ["-Dx=y"])
    rows.merge(spec, ["spec", "master", "env"], {"A": "b"})
    rows.merge(spec, ["spec", "master", "env"], {"C": "d"})
    rows.merge(spec, ["spec", "tieredstore", "levels[]", "high"], "0.9")
    assert spec["spec"] == {
        "jvmOptions": ["-Xmx1g", "-Dx=y"],
        "master": {"env": {"A": "b", "C": "d"}},
        "tieredstore": {"levels": [{"path": "a", "high": "0.9"}, {"path": "b", "high": "0.9"}]},
    }


def test_what_is_inside_a_container_is_read_in_three_parts() -> None:
    """Environment, command lines and files; each part may be empty."""
    found = rows.parse_inside("A=b\nC=d\n\n----\nbash -c x \njava -Dx=y \n----\n/f\n")
    assert found.environment >= {"A=b", "C=d"}
    assert "-Dx=y" in found.command_lines
    assert found.files == {"/f"}
    assert rows.parse_inside("\n----\n----\n").files == frozenset()


def test_settings_that_arrived_are_seen() -> None:
    """Each kind of test says nothing where the value is there."""
    for test in (
        look.in_environment(look.MASTER, "A=b"),
        look.on_command_line("-Dx=y", look.MASTER),
        look.has_file("/f", look.MASTER),
        look.in_pod(("master",), ("metadata", "labels"), {"k": "v"}),
        look.pull_secrets("master", "s"),
        look.resources(look.MASTER, "limits", {"memory": "2Gi"}, more=512 * 2**20),
        look.ports(look.MASTER, 28101),
        look.image(look.MASTER, "docker.io/alluxio/alluxio-dev"),
        look.pull_policy(look.MASTER, "Never"),
        look.argument(look.MASTER, "attr_timeout=61"),
        look.tolerates("master"),
        look.monitored(expected=True),
        look.owned_by(tables.OWNER),
    ):
        assert test(SEEN) == ""


def test_settings_that_did_not_arrive_are_named() -> None:
    """Each kind of test says what is there instead, also where a whole container is missing."""
    for test, says in (
        (look.in_environment(look.MASTER, "A=c"), "A=c"),
        (look.in_environment(look.FUSE, "A=b"), "no container alluxio-fuse"),
        (look.on_command_line("-Dx=z", look.MASTER, look.WORKER), "alluxio-master, alluxio-worker"),
        (look.has_file("/g", look.MASTER), "has no /g"),
        (look.in_pod(("worker",), ("metadata", "labels"), {"k": "v"}), "worker"),
        (look.pull_secrets("master", "t"), "imagePullSecrets are s"),
        (look.resources(look.MASTER, "limits", {"memory": "2Gi"}), "2560Mi"),
        (look.resources(look.FUSE, "limits", {"memory": "2Gi"}), "none"),
        (look.ports(look.MASTER, 28102), "28101"),
        (look.image(look.MASTER, "alluxio/alluxio-dev"), "docker.io"),
        (look.pull_policy(look.MASTER, "Always"), "Never"),
        (look.argument(look.MASTER, "attr_timeout=62"), "61"),
        (look.tolerates("master", "worker"), "worker"),
        (look.monitored(expected=False), look.MONITOR),
        (look.in_container_network("master"), "hostNetwork"),
        (look.pinned, "no pinned"),
    ):
        assert says in test(SEEN)


def test_other_name_of_an_image_is_the_same_image() -> None:
    """Docker Hub's images have a short and a full name, others have one."""
    assert rows.other_name("alluxio/alluxio-dev") == "docker.io/alluxio/alluxio-dev"
    assert rows.other_name("registry.example:5000/alluxio") == "registry.example:5000/alluxio"


def test_options_of_a_mount_are_read_in_alluxios_list() -> None:
    """An option that is not listed, and a mount that is not, are named."""
    listed = ", ".join(f"{name}={value}" for name, value in VALUES.items())
    found = UnderMount(
        "http://x/", "/web", f"web, capacity=-1B, used=-1B, read-only, shared, properties={{{listed}}}"
    )
    assert missing_options(found) == []
    assert missing_options(None) == ["the mount itself"]
    plain = UnderMount(
        "http://x/", "/web", "web, capacity=-1B, used=-1B, not read-only, not shared, properties={}"
    )
    assert missing_options(plain)[:2] == ["read-only", "shared"]


def test_status_that_differs_is_named_field_by_field() -> None:
    """An empty status is wrong in each field that has something to say."""
    objects = status.Objects(
        dataset={"spec": {"mounts": [{"mountPoint": "pvc://a"}]}, "status": {"phase": "Failed"}},
        runtime={"metadata": {"name": "demo", "namespace": "ns"}},
        master={"spec": {"replicas": 1}, "status": {"replicas": 1, "readyReplicas": 1}},
        worker={},
        fuse={},
        service={},
        values={},
        version="local",
    )
    found = status.differences(objects)
    assert found["Dataset.status.phase"] == "is 'Failed', not 'Bound'"
    assert "Dataset.status.mounts[].mountPoint" in found
    assert "AlluxioRuntime.status.masterNumberReady" in found
    assert "AlluxioRuntime.status.workerNumberReady" not in found


def test_values_name_that_a_known_race_lost_is_no_other_difference() -> None:
    """Without the race it is one."""
    nothing = status.Objects({}, {}, {}, {}, {}, {}, {"metadata": {"name": "demo-alluxio-values"}}, "")
    field = "AlluxioRuntime.status.valueFile"
    assert field in status.differences(nothing)
    assert field not in status.differences(nothing, lost=True)
    assert "Dataset.status.phase" in status.differences(nothing, lost=True)
