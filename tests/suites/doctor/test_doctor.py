"""The doctor's command, against an API server in this process."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from clusters.kubernetes import kinds
from suites import doctor
from suites.diagnosis import CauseCode, FindingCode
from suites.diagnosis.fluid_facts import RUNTIME_KINDS
from suites.doctor.__main__ import main
from suites.doctor.answer import CODES
from suites.doctor.rendering import SCHEMA
from tests.clusters import conftest as fakes
from tests.suites.doctor.doctor_cluster import (
    NOW,
    Cluster,
    Object,
    application,
    claim,
    fluid_claim,
    fluid_volume,
    fuse_labels,
    node,
    runtime,
    served,
    unscheduled,
    waiting,
)

#: The API server of another folder's tests.
api = fakes.api

PAGE = 500


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


def serve(api: fakes.FakeApi, cluster: Cluster, *namespaces: str) -> None:
    """Answer lists as an API server does: a page at a time, without ``kind`` in the objects."""
    for path, objects in cluster.lists(("fluid-system", *namespaces)).items():
        pages = [objects[start : start + PAGE] for start in range(0, len(objects), PAGE)] or [[]]
        tokens = [f"page-{number}" for number in range(1, len(pages))] + [""]
        api.answer(
            "GET",
            path,
            *(
                {"metadata": {"continue": token}, "items": page}
                for page, token in zip(pages, tokens, strict=True)
            ),
        )


def ask(api: fakes.FakeApi, *words: str) -> tuple[int, str]:
    """Run the command; exit code and output."""
    out = io.StringIO()
    code = main(["--kubeconfig", str(api.kubeconfig()), *words], out)
    return code, out.getvalue()


def asked_json(api: fakes.FakeApi, *words: str) -> tuple[int, dict[str, Any]]:
    """Run the command with ``--json``; exit code and answer."""
    code, out = ask(api, "--json", *words)
    answer: dict[str, Any] = json.loads(out)
    assert answer["exitCode"] == code
    return code, answer


def motley() -> Cluster:
    """Nine Pods of as many kinds, next to the Pods of two Datasets."""
    copied = fluid_volume(volume="pv-mine")
    copied["spec"]["claimRef"] = {"namespace": "team", "name": "mine"}
    return Cluster.right().add(
        application("a-right"),
        application("b-original", "demo-src"),
        application("c-mine", "mine", "team"),
        claim("mine", "pv-mine", "team"),
        copied,
        unscheduled(application("d-elsewhere", "demo", "team")),
        unscheduled(application("e-misspelt", "dmeo")),
        *served("cold"),
        waiting(application("f-no-plugin", "cold", node="n2")),
        node("n2"),
        application("g-unrelated", "db"),
        claim("db", "pv-db"),
        application("h-fuse-gone", "cold"),
        application("i-ended", "demo", status={"phase": "Succeeded"}),
    )


def test_all_well(api: fakes.FakeApi) -> None:
    """Nothing wrong: exit code 0, and a line that says so."""
    serve(api, Cluster.right().add(application()))
    code, out = ask(api)
    assert code == 0
    assert out.splitlines()[0].startswith("ok     demo/train-0  served  Pod `train-0` mounts claim `demo`")
    assert out.splitlines()[-1] == "1 finding: 1 ok (5 Pods and 1 Dataset read)"


def test_nobody(api: fakes.FakeApi) -> None:
    """A cluster without users of Fluid is well."""
    serve(api, Cluster.right())
    code, out = ask(api)
    assert (code, out) == (
        0,
        "no Pod that was asked for uses a Dataset (4 Pods and 1 Dataset read)\n",
    )


def test_different_pods(api: fakes.FakeApi) -> None:
    """Each Pod has its finding, what is wrong first; Pods that have nothing to do with Fluid are left out."""
    serve(api, motley())
    code, answer = asked_json(api)
    assert code == 1
    assert answer["schema"] == SCHEMA
    assert answer["wrong"] == 6
    assert {f["pod"]["name"]: f["verdict"] for f in answer["findings"]} == {
        "a-right": "served",
        "b-original": "original-claim",
        "c-mine": "hand-made-volume",
        "d-elsewhere": "other-namespace",
        "e-misspelt": "misspelt",
        "f-no-plugin": "csi-plugin-missing",
        "h-fuse-gone": "fuse-not-ready",
        "i-ended": "ended",
    }
    states = [f["state"] for f in answer["findings"]]
    assert states == ["wrong"] * 6 + ["ok"] * 2
    original = next(f for f in answer["findings"] if f["pod"]["name"] == "b-original")
    assert original["dataset"] == {"namespace": "demo", "name": "demo"}
    assert original["rows"] == ["B1"]
    assert original["change"].startswith("Mount claim `demo` instead")
    assert {"source", "says"} == set(original["evidence"][0])


def test_reads_only(api: fakes.FakeApi) -> None:
    """It sends nothing but lists, in pages: no object is requested by name, and none is changed."""
    serve(api, motley())
    ask(api)
    asked = [r for r in api.requests if r.path not in ("/version", "/api")]
    assert {r.method for r in asked} == {"GET"}
    assert {r.asked("limit") for r in asked} == {str(PAGE)}
    assert {r.path for r in asked} <= {kind.path() for kind in {*kinds.KINDS.values(), *RUNTIME_KINDS}} | {
        kinds.DEPLOYMENT.path("fluid-system")
    }


def test_terminal(api: fakes.FakeApi) -> None:
    """On a terminal it is a table; names from the cluster are never taken for markup."""
    serve(api, Cluster.right().add(application("x", "demo-src")))
    out = Terminal()
    assert main(["--kubeconfig", str(api.kubeconfig())], out) == 1
    text = out.getvalue()
    assert "demo/x" in text
    assert "WRONG" in text
    assert "┃" in text


def test_namespace(api: fakes.FakeApi) -> None:
    """With --namespace only its Pods are reported, and only what serves them is read."""
    serve(api, motley(), "team", "fluid-system", "demo")
    code, answer = asked_json(api, "--namespace", "team")
    assert code == 1
    assert {f["pod"]["name"] for f in answer["findings"]} == {"c-mine", "d-elsewhere"}
    asked = {r.path for r in api.requests}
    assert kinds.POD.path() not in asked
    assert kinds.POD.path("team") in asked


@pytest.mark.parametrize(
    "words", [("--pod", "demo/b-original"), ("--pod", "b-original"), ("-n", "demo", "--pod", "b-original")]
)
def test_pod(api: fakes.FakeApi, words: tuple[str, ...]) -> None:
    """With --pod only that Pod is reported."""
    serve(api, motley(), "demo", "fluid-system")
    code, answer = asked_json(api, *words)
    assert code == 1
    assert [f["pod"]["name"] for f in answer["findings"]] == ["b-original"]


def test_unrelated_pod(api: fakes.FakeApi) -> None:
    """A Pod that uses no Dataset has no finding."""
    serve(api, motley())
    code, answer = asked_json(api, "--pod", "g-unrelated")
    assert (code, answer["findings"]) == (0, [])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--pod", "nobody"), "there is no Pod nobody in any namespace"),
        (("--pod", "team/x", "-n", "demo"), "--pod team/x is not in --namespace demo"),
    ],
)
def test_wrong_question(
    api: fakes.FakeApi, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    """A Pod that does not exist: exit code 2."""
    serve(api, motley())
    code, _ = ask(api, *words)
    assert code == 2
    assert says in capsys.readouterr().err


def test_missing_rights(api: fakes.FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    """Every right that is missing is named at once: exit code 2, and there is no finding."""
    serve(api, motley())
    for kind in (kinds.VOLUME, kinds.POD, kinds.DAEMON_SET):
        api.answer("GET", kind.path(), api.refusal(403, "Forbidden", "no"))
    code, answer = asked_json(api)
    assert code == 2
    assert answer["error"]["missingRights"] == ["list persistentvolumes", "list pods", "list daemonsets.apps"]
    assert "cluster-role.yaml" in answer["error"]["change"]
    assert "this user may not list persistentvolumes, nor list pods" in capsys.readouterr().err


def test_rights_that_can_be_spared(api: fakes.FakeApi) -> None:
    """Without events and other runtimes it answers all the same, and says what it did not see."""
    serve(api, motley())
    api.answer("GET", kinds.EVENT.path(), api.refusal(403, "Forbidden", "no"))
    api.answer("GET", RUNTIME_KINDS[2].path(), api.refusal(403, "Forbidden", "no"))
    code, answer = asked_json(api)
    assert code == 1
    assert [gap.partition(":")[0] for gap in answer["gaps"]] == [
        "cannot list juicefsruntimes.data.fluid.io",
        "cannot list events",
    ]


def test_rights_in_one_namespace(api: fakes.FakeApi) -> None:
    """Rights in one namespace are enough for an answer about that one."""
    serve(api, motley(), "demo")
    for kind in {*kinds.KINDS.values(), *RUNTIME_KINDS}:
        if kind.namespaced:
            api.answer("GET", kind.path(), api.refusal(403, "Forbidden", "no"))
            api.answer("GET", kind.path("fluid-system"), api.refusal(403, "Forbidden", "no"))
    code, answer = asked_json(api, "-n", "demo")
    assert code == 1
    assert "original-claim" in {f["verdict"] for f in answer["findings"]}
    assert any("only Datasets of demo are known" in gap for gap in answer["gaps"])


def test_without_fluid(api: fakes.FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    """A cluster without Datasets: exit code 2."""
    serve(api, Cluster())
    api.answer("GET", kinds.DATASET.path(), api.text("404 page not found", 404))
    code, _ = ask(api)
    assert code == 2
    assert "Fluid is not installed in this cluster" in capsys.readouterr().err


def test_runtimes_that_the_cluster_does_not_know(api: fakes.FakeApi) -> None:
    """An older Fluid lacks some kinds of runtimes, and nothing is amiss."""
    serve(api, Cluster.right().add(application()))
    for kind in RUNTIME_KINDS[1:]:
        api.answer("GET", kind.path(), api.text("404 page not found", 404))
    code, answer = asked_json(api)
    assert (code, answer["gaps"]) == (0, [])


def test_no_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a kubeconfig it cannot check: exit code 2, with one sentence, as JSON too."""
    out = io.StringIO()
    assert main(["--kubeconfig", str(tmp_path / "none"), "--json"], out) == 2
    assert "there is no kubeconfig" in json.loads(out.getvalue())["error"]["says"]
    assert "there is no kubeconfig" in capsys.readouterr().err


def test_context(api: fakes.FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    """A context that the kubeconfig lacks is refused."""
    assert ask(api, "--context", "other")[0] == 2
    assert "no context other" in capsys.readouterr().err


def exec_answers(api: fakes.FakeApi, pod: str, mounts: str, read: int) -> None:
    """Let a Pod answer the two commands of a check inside it: its mounts, then the read."""
    calls = iter((mounts, ""))

    def kubelet(channels: fakes.Channels) -> None:
        text = next(calls)
        if text:
            channels.send(1, text.encode())
        failed = not text and read
        cause = {"reason": "ExitCode", "message": str(read)}
        status = {"status": "Failure", "details": {"causes": [cause]}} if failed else {"status": "Success"}
        if failed:
            channels.send(2, b"ls: /data: Transport endpoint is not connected\n")
        channels.send(3, json.dumps(status).encode())
        channels.close()

    api.execs[f"/api/v1/namespaces/demo/pods/{pod}/exec"] = kubelet


ROOT = "1 0 0:1 / / rw - overlay overlay rw\n"
FUSE = "36 35 0:40 / /data rw - fuse.alluxio-fuse alluxio-fuse rw\n"


@pytest.mark.parametrize(("read", "expected"), [(0, (0, "served")), (11, (1, "dead-mount"))])
def test_exec(api: fakes.FakeApi, read: int, expected: tuple[int, str]) -> None:
    """With --exec the mount and a read in the Pod decide the finding."""
    serve(api, Cluster.right().add(application()))
    exec_answers(api, "train-0", ROOT + FUSE, read)
    code, answer = asked_json(api, "--exec")
    (finding,) = answer["findings"]
    assert (code, finding["verdict"]) == expected
    assert answer["lookedInside"] is True
    assert "/data is fuse.alluxio-fuse alluxio-fuse" in [fact["says"] for fact in finding["evidence"]]


def test_exec_forbidden(api: fakes.FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the right to run programs in Pods: exit code 2."""
    serve(api, Cluster.right().add(application()))
    path = "/api/v1/namespaces/demo/pods/train-0/exec"
    api.answer("GET", path, api.refusal(403, "Forbidden", "no"))
    code, answer = asked_json(api, "--exec")
    assert code == 2
    assert answer["error"]["missingRights"] == ["get or create pods/exec in namespace demo"]
    assert "fluid-doctor-exec" in answer["error"]["change"]
    assert "may not" in capsys.readouterr().err


def test_roles_grant_what_is_asked() -> None:
    """The shipped roles grant get and list of every kind that is listed, and nothing that changes one."""
    file = Path(doctor.__file__).with_name("cluster-role.yaml")
    roles = {role["metadata"]["name"]: role for role in yaml.safe_load_all(file.read_text())}
    more = {"fluid-doctor-nodes", "fluid-doctor-exec", "fluid-doctor-events", "fluid-doctor-watch"}
    assert set(roles) == {"fluid-doctor", *more}
    granted, watched = (
        {
            (group, resource)
            for rule in roles[name]["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            if set(rule["verbs"]) == verbs
        }
        for name, verbs in (("fluid-doctor", {"get", "list"}), ("fluid-doctor-watch", {"watch"}))
    )
    listed = {
        kinds.POD, kinds.CLAIM, kinds.VOLUME, kinds.NODE, kinds.EVENT, kinds.DAEMON_SET,
        kinds.STATEFUL_SET, kinds.DEPLOYMENT, kinds.CSI_NODE, kinds.DATASET, *RUNTIME_KINDS,
    }  # fmt: skip
    group = {kind: kind.api_version.partition("/")[0] if "/" in kind.api_version else "" for kind in listed}
    assert granted == watched == {(group[kind], kind.plural) for kind in listed}
    for name in ("fluid-doctor", "fluid-doctor-nodes"):
        assert all(set(rule["verbs"]) == {"get", "list"} for rule in roles[name]["rules"])


def sections(page: str) -> dict[str, str]:
    """The text of each section of third level by its heading."""
    parts = re.split(r"^### (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (text.partition("\n## ")[0] for text in parts[2::2]), strict=True))


def test_page_has_a_section_for_every_code() -> None:
    """The page on the doctor explains each code, with the rows of the catalogue that are about it."""
    page = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text()
    found = sections(page)
    assert sorted(found) == list(CODES)
    assert len(CODES) == len(FindingCode) + len(CauseCode), "a code of a finding is also that of a cause"
    for code in (*FindingCode, *CauseCode):
        rows = re.match(r"\s*Rows: ([A-Z0-9, ]+)\.", found[code.value])
        listed = {word.strip() for word in rows[1].split(",")} if rows else set()
        assert set(code.rows) == listed, code
    for field in (
        "schema",
        "cluster",
        "lookedInside",
        "unknown",
        "ignored",
        "exitCode",
        "missingRights",
        "page",
    ):
        assert f"`{field}`" in page


def many(pods: int, datasets: int) -> Cluster:
    """A large cluster: every fourth Pod mounts the source, every fourth requests a missing Dataset."""
    per_namespace = 10
    keys = [(f"team-{n // per_namespace}", f"data-{n}") for n in range(datasets)]
    labels = {f"fluid.io/f-{namespace}-{name}": "true" for namespace, name in keys}
    objects: list[Object] = [obj for ns, name in keys for obj in served(name, ns)]
    for number in range(pods):
        namespace, name = keys[number % datasets]
        pod = f"app-{number}"
        match number % 4:
            case 0:
                objects.append(application(pod, f"{name}-src", namespace))
            case 1:
                objects.append(unscheduled(application(pod, f"{name}x{number}", namespace)))
            case _:
                objects.append(application(pod, name, namespace))
    return Cluster([node(labels=labels), *objects])


def test_large_cluster(api: fakes.FakeApi) -> None:
    """1,000 Pods of users and 200 Datasets need less than 5 s of processor time, from lists in pages."""
    serve(api, many(1000, 200))
    start = time.process_time()  # the time of this machine's other work does not count
    code, answer = asked_json(api)
    took = time.process_time() - start
    assert code == 1
    assert (answer["pods"], answer["datasets"]) == (1600, 200)
    assert len(answer["findings"]) == 1000
    assert answer["wrong"] == 500
    # One request a page: 4 of Pods, 1 of each other kind, 2 for the connection.
    assert len(api.asked("GET", kinds.POD.path())) == 4
    assert len(api.requests) <= 25
    assert took < 5.0


def test_claims_made_by_fluid_are_named_as_such() -> None:
    """The helper's claims are like Fluid's own: annotation, label, and the volume's name."""
    made = fluid_claim()
    assert made["metadata"]["annotations"] == {"CreatedBy": "fluid"}
    assert made["spec"]["volumeName"] == "demo-demo"


def saved(path: Path, cluster: Cluster) -> Path:
    """The objects of a cluster in a file."""
    file = path / "all.json"
    file.write_text(json.dumps({"kind": "List", "items": cluster.objects}))
    return file


def run(*words: str) -> tuple[int, str]:
    """Run the command without a cluster; exit code and output."""
    out = io.StringIO()
    return main(list(words), out), out.getvalue()


def test_saved_objects(tmp_path: Path) -> None:
    """With --from it answers from files as from a cluster, and says from which."""
    file = saved(tmp_path, motley())
    code, out = run("--from", str(file), "--json")
    answer = json.loads(out)
    assert code == answer["exitCode"] == 1
    assert answer["cluster"] == f"saved in {file}"
    assert {f["pod"]["name"] for f in answer["findings"]} >= {"a-right", "b-original"}
    assert run("--from", str(file), "--pod", "demo/a-right")[0] == 0


@pytest.mark.parametrize("words", [("--exec",), ("--context", "x"), ("--kubeconfig", "x")])
def test_saved_objects_and_a_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """Options about a cluster contradict --from."""
    assert run("--from", str(saved(tmp_path, motley())), *words)[0] == 2
    assert f"{words[0]} and --from exclude each other" in capsys.readouterr().err


def test_ignored_codes(tmp_path: Path) -> None:
    """A finding is ignored by its code or by all of its causes, and is counted."""
    cluster = Cluster.right().add(application("x", "demo-src"), application("y"))
    assert run("--from", str(saved(tmp_path, cluster)))[0] == 1
    code, out = run("--from", str(saved(tmp_path, cluster)), "--ignore", "original-claim")
    assert code == 0
    assert out.splitlines()[-1].startswith("1 finding: 1 ok, 1 ignored (")
    bare = Cluster.right().add(unscheduled(application()), runtime("other")).drop("AlluxioRuntime", "demo")
    bare.get("Dataset", "demo")["status"]["phase"] = "NotBound"
    assert run("--from", str(saved(tmp_path, bare)), "--ignore", "no-quota")[0] == 1
    assert run("--from", str(saved(tmp_path, bare)), "--ignore", "no-quota", "--ignore", "no-runtime")[0] == 0


def test_ignored_namespaces(tmp_path: Path) -> None:
    """Their findings are counted as ignored; the others stay."""
    cluster = Cluster.right().add(application("w", "demo-src"), application("r", "demo"))
    file = str(saved(tmp_path, cluster))
    assert run("--from", file)[0] == 1
    code, out = run("--from", file, "--ignore-namespace", "demo")
    assert code == 0
    assert "2 ignored (" in out.splitlines()[-1]
    assert run("--from", file, "--ignore-namespace", "other")[0] == 1


def test_pods_that_were_created_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --since they are not reported, and the exit code is that of the others."""
    young = application("r", "demo", metadata={"created": NOW - timedelta(minutes=10)})
    cluster = Cluster.right().add(application("w", "demo-src"), young)
    file = str(saved(tmp_path, cluster))
    assert run("--from", file)[0] == 1
    code, out = run("--from", file, "--since", "20m")
    assert code == 0
    assert out.splitlines()[-1].startswith("1 finding: 1 ok")
    assert run("--from", file, "--since", "9999d")[0] == 1
    with pytest.raises(SystemExit):
        run("--from", file, "--since", "soon")
    assert "no time such as 90s, 30m" in capsys.readouterr().err


def test_pod_that_ignores_a_code(tmp_path: Path) -> None:
    """A Pod that writes to the source says so by an annotation; other Pods are reported."""
    writer = application(
        "w", "demo-src", metadata={"annotations": {"fluid-doctor/ignore": "original-claim, x"}}
    )
    assert run("--from", str(saved(tmp_path, Cluster.right().add(writer))))[0] == 0
    both = Cluster.right().add(writer, application("r", "demo-src"))
    assert run("--from", str(saved(tmp_path, both)))[0] == 1


def test_unknown_code(capsys: pytest.CaptureFixture[str]) -> None:
    """A code that does not exist is refused, with the most similar one."""
    assert run("--ignore", "original-clam")[0] == 2
    assert "there is no such code" in (err := capsys.readouterr().err)
    assert "original-claim" in err


def test_undecided(tmp_path: Path) -> None:
    """If nothing is wrong and something is not decided, the exit code says so."""
    lost = node(labels=fuse_labels(("demo", "demo")))
    lost["status"]["conditions"] = []
    code, out = run("--from", str(saved(tmp_path, Cluster.right().add(application(), lost))))
    assert code == 3
    assert "1 finding: 1 unknown" in out
    assert out.startswith("?      demo/train-0  node-not-ready")


def test_codes_are_shown(tmp_path: Path) -> None:
    """What --ignore accepts is in the answer: the code of the finding and those of its causes."""
    cluster = (
        Cluster.right().add(application()).drop("StatefulSet", "demo-master").drop("Pod", "demo-master-0")
    )
    _, out = run("--from", str(saved(tmp_path, cluster)))
    assert "runtime-not-working (master-gone)" in out
    _, out = run("--from", str(saved(tmp_path, cluster)), "--json")
    (finding,) = json.loads(out)["findings"]
    assert finding["page"] == "docs/doctor.md#runtime-not-working"
    assert finding["causes"][0]["page"] == "docs/doctor.md#master-gone"


def test_defect_of_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user sees a sentence for every error, and the traceback only with --debug."""

    def fails(_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("suites.doctor.__main__.diagnose", fails)
    file = str(saved(tmp_path, Cluster.right()))
    code, out = run("--from", file, "--json")
    assert (code, json.loads(out)["exitCode"]) == (2, 2)
    assert "Traceback" not in capsys.readouterr().err
    run("--from", file, "--debug")
    assert "Traceback" in capsys.readouterr().err


def test_rights_on_one_namespace_alone(api: fakes.FakeApi) -> None:
    """With rights in one namespace only it answers for that, and names what it could not read."""
    serve(api, motley(), "demo")
    for kind in {*kinds.KINDS.values(), *RUNTIME_KINDS}:
        api.answer("GET", kind.path(), api.refusal(403, "Forbidden", "no"))
        if kind.namespaced:
            api.answer("GET", kind.path("fluid-system"), api.refusal(403, "Forbidden", "no"))
    code, answer = asked_json(api, "-n", "demo")
    assert code == 1
    found = {f["pod"]["name"]: f["verdict"] for f in answer["findings"]}
    assert found["a-right"] == "served"
    assert found["b-original"] == "original-claim"
    gaps = " ".join(answer["gaps"])
    for right in ("list persistentvolumes", "list nodes", "list csinodes.storage.k8s.io", "list datasets"):
        assert f"cannot {right}" in gaps


def test_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Findings by namespace, code and state, in a format that Prometheus reads; nothing without an answer."""
    cluster = Cluster.right().add(
        application("x", "demo-src"), application("y", "demo-src"), application("z")
    )
    file = str(saved(tmp_path, cluster))
    code, out = run("--from", file, "--metrics", "--ignore", "no-quota")
    assert code == 1
    page = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text()
    found = {}
    for family in text_string_to_metric_families(out):
        assert f"`{family.name}`" in page
        for sample in family.samples:
            found[sample.name, *sorted(sample.labels.values())] = sample.value
    assert found["fluid_doctor_findings", "demo", "original-claim", "wrong"] == 2
    assert found["fluid_doctor_findings", "demo", "ok", "served"] == 1
    assert found["fluid_doctor_pods",] == 7
    assert run("--from", str(tmp_path / "none"), "--metrics") == (2, "")
    assert "there is no file" in capsys.readouterr().err


def process(*words: str, **env: str) -> list[str]:
    """The command line of the doctor as a process, under a shell."""
    assignments = [f"{name}={value}" for name, value in env.items()]
    return ["env", *assignments, sys.executable, "-m", "suites.doctor", *words]


def test_reader_that_stops(tmp_path: Path) -> None:
    """A pipe whose reader has read enough is no error."""
    file = saved(tmp_path, many(300, 60))
    command = shlex.join(process("--from", str(file), "--json"))
    done = subprocess.run(
        ["sh", "-c", f"{command} | head -n 1"], capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_terminal_without_unicode(tmp_path: Path) -> None:
    """Characters that the output cannot encode are replaced."""
    pod = application("x", "demo-src", metadata={"annotations": {"a": "\u2192"}})
    cluster = Cluster.right().add(pod)
    cluster.get("Dataset", "demo")["spec"]["mounts"][0]["path"] = "/\u2192"
    cluster.get("Dataset", "demo")["spec"]["mounts"].append({"mountPoint": "local:///\u2192"})
    file = str(saved(tmp_path, cluster))
    done = subprocess.run(
        process("--from", file, PYTHONIOENCODING="ascii"), capture_output=True, check=False, timeout=100
    )
    assert (done.returncode, done.stderr) == (1, b"")


def test_standard_input_that_is_no_text() -> None:
    """Bytes that are no text are refused like a file of no use."""
    done = subprocess.run(
        process("--from", "-"), input=b"\xff\xfe\x00\xd8\x00", capture_output=True, check=False, timeout=100
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"kubectl get pods" in done.stderr


def test_pod_without_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Of `--pod demo/` nothing is right."""
    assert run("--pod", "demo/")[0] == 2
    assert "names no Pod" in capsys.readouterr().err


def test_namespace_without_pods(tmp_path: Path) -> None:
    """A namespace in which nothing was read may be misspelt."""
    code, out = run("--from", str(saved(tmp_path, motley())), "-n", "dmeo")
    assert code == 0
    assert "there are no Pods in namespace dmeo" in out
