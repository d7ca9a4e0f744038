import os
import signal
import subprocess
import time

from workloads.application import STAY_UP, Application

APP = Application(namespace="demo", name="train-0", claim="imagenet", image="toolbox:1")


def test_the_pod_mounts_its_claim() -> None:
    """An application mounts the claim that it names where it says, and is cheap to end."""
    pod = APP.manifest()
    spec = pod["spec"]
    (container,) = spec["containers"]
    (volume,) = spec["volumes"]
    assert volume["persistentVolumeClaim"] == {"claimName": "imagenet"}
    assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/data"}]
    assert pod["metadata"] == {"name": "train-0", "namespace": "demo"}
    assert (spec["restartPolicy"], spec["terminationGracePeriodSeconds"]) == ("Never", 2)
    assert "nodeSelector" not in spec


def test_a_pod_may_have_more_time_to_end() -> None:
    """A Pod with more than the application has the time that it needs."""
    assert APP.evolve(grace_seconds=30).manifest()["spec"]["terminationGracePeriodSeconds"] == 30


def test_a_pod_may_be_started_again() -> None:
    """One that must outlive its node's restart says so."""
    assert APP.evolve(restart_policy="Always").manifest()["spec"]["restartPolicy"] == "Always"


def test_each_way_to_use_a_claim_is_sent_where_it_belongs() -> None:
    """Node, sub-path, propagation and the two kinds of read-only are in their own fields."""
    spec = APP.evolve(
        node="worker2",
        read_only=True,
        claim_read_only=True,
        sub_path="train",
        mount_propagation="HostToContainer",
        other_claims={"/source": "nfs-src", "/again": "imagenet"},
    ).manifest()["spec"]
    assert spec["nodeSelector"] == {"kubernetes.io/hostname": "worker2"}
    assert [volume["persistentVolumeClaim"] for volume in spec["volumes"]] == [
        {"claimName": "imagenet", "readOnly": True},
        {"claimName": "nfs-src"},
    ]
    data, source, again = spec["containers"][0]["volumeMounts"]
    assert data == {
        "name": "claim-0",
        "mountPath": "/data",
        "readOnly": True,
        "subPath": "train",
        "mountPropagation": "HostToContainer",
    }
    assert source == {"name": "claim-1", "mountPath": "/source"}
    assert again == {"name": "claim-0", "mountPath": "/again"}


def test_a_job_runs_its_command_once_on_each_of_its_pods() -> None:
    """The Job has the application's Pod, its own command, no second try, and a common start."""
    job = APP.evolve(labels={"app": "bench"}).job("fio", "--version", completions=3, deadline=60)
    spec = job["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (3, 3, 0)
    assert spec["activeDeadlineSeconds"] == 60
    template = spec["template"]
    assert template["metadata"]["labels"] == {"app": "bench"}
    assert template["spec"]["containers"][0]["command"] == ["fio", "--version"]
    assert template["spec"]["volumes"] == APP.manifest()["spec"]["volumes"]
    assert APP.job()["spec"]["template"]["spec"] == APP.manifest()["spec"]


def test_the_default_command_ends_at_once_when_asked() -> None:
    """An idle application ends on SIGTERM within its grace period and leaves nothing running."""
    with subprocess.Popen(STAY_UP, start_new_session=True) as process:
        try:
            deadline = time.monotonic() + 5
            # The trap is set once the shell has started its child.
            children = f"/proc/{process.pid}/task/{process.pid}/children"
            while not _text(children).strip() and time.monotonic() < deadline:
                time.sleep(0.01)
            (child,) = _text(children).split()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=2) == 0
            while _lives(child) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert not _lives(child)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _text(path: str) -> str:
    try:
        with open(path) as file:  # noqa: PTH123 - /proc
            return file.read()
    except OSError:
        return ""


def _lives(pid: str) -> bool:
    status = _text(f"/proc/{pid}/status")
    return bool(status) and "State:\tZ" not in status
