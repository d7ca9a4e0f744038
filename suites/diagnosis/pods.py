"""Who goes through Fluid and who does not: each Pod that uses, or seems to want, a Dataset.

Judged from objects alone, by the rules of Fluid 1.0.8 (files are named where a rule is used).
Events and messages are quoted as evidence; no verdict depends on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from clusters.kubernetes.lookups import FuseSnapshot
from clusters.kubernetes.snapshots import ClaimSnapshot, DatasetSnapshot, PodSnapshot
from clusters.product import fluid_names
from suites.diagnosis.cluster_state import ClusterState, Export, PodInfo, SeenVolume
from suites.diagnosis.datasets import nearest, serves, why_not_bound
from suites.diagnosis.verdicts import Cause, Evidence, Finding, Key, State, Verdict
from suites.diagnosis.words import namespaced, quoted_list, shown

#: How long a thing may be under way before it is called wrong. Fluid's plugin alone tries for a minute
#: (csi/shell/check_mount.sh), and a Dataset of several JVMs takes minutes on a small node.
PATIENCE: Final = timedelta(minutes=5)

#: Mount types of runtimes other than Alluxio are theirs; a wrong one is told only where Fluid's own
#: volume of the same Dataset has another.
_COMPARED_ATTRIBUTES: Final = ("fluid_path", "mount_type")


def diagnose(picture: ClusterState) -> tuple[Finding, ...]:
    """What is true of every Pod that uses, or seems to want, a Dataset; by namespace and Pod."""
    found = [finding for pod in picture.pods for finding in diagnose_pod(picture, pod)]
    return tuple(sorted(found, key=lambda finding: (finding.pod, finding.claim, finding.dataset or ("", ""))))


def diagnose_pod(picture: ClusterState, pod: PodInfo) -> tuple[Finding, ...]:
    """What is true of one Pod: a finding for each claim, export or sidecar that has to do with a Dataset."""
    if _belongs_to_fluid(picture, pod):
        return ()
    found: list[Finding] = []
    for claim in pod.snapshot.claim_names:
        case = _Case(picture, pod, claim)
        finding = case.look()
        if finding is not None:
            found.append(finding)
    found += _exports(picture, pod)
    found += _sidecars(picture, pod)
    return tuple(found)


def _belongs_to_fluid(picture: ClusterState, pod: PodInfo) -> bool:
    """A master, worker or Fuse, which uses source claims by right."""
    owner = pod.snapshot.owner
    return owner is not None and (pod.snapshot.namespace, owner.kind, owner.name) in picture.parts_of_fluid


@dataclass(frozen=True)
class _Case:
    """A Pod and one claim that it mounts or asks for."""

    picture: ClusterState
    seen: PodInfo
    claim_name: str

    @property
    def pod(self) -> PodSnapshot:
        return self.seen.snapshot

    @property
    def key(self) -> Key:
        """The claim's namespace and name; a Dataset of that key would be the one that it is for."""
        return self.pod.namespace, self.claim_name

    @property
    def place(self) -> str:
        return f"Pod {namespaced(self.pod)}"

    def look(self) -> Finding | None:
        claim = self.picture.claims_by_key.get(self.key)
        dataset = self.picture.datasets_by_key.get(self.key)
        if claim is None:
            return self._without_claim(dataset)
        volume = self.picture.volume_of(claim)
        through_fluid = volume is not None and volume.snapshot.served_by_fluid
        if volume is not None and through_fluid and not self._made_by_fluid(claim, volume):
            return self._hand_made(claim, volume)
        if dataset is not None:
            if claim.made_by_fluid or through_fluid:
                return self._right_claim(claim, volume, dataset)
            return self._namesake(claim, volume, dataset)
        if claim.made_by_fluid or through_fluid:
            return self._left_over(claim)
        return self._source(claim, volume)

    def _finding(
        self,
        verdict: Verdict,
        says: str,
        change: str = "",
        *evidence: Evidence,
        dataset: Key | None,
        state: State = State.WRONG,
        causes: tuple[Cause, ...] = (),
    ) -> Finding:
        mounts = Evidence(self.place, f"names claim {self.claim_name}")
        return Finding(
            self.pod_key,
            dataset,
            self.claim_name,
            verdict,
            state,
            says,
            change,
            (mounts, *evidence),
            causes,
        )

    @property
    def pod_key(self) -> Key:
        return self.seen.key

    def _start(self, verb: str = "mounts") -> str:
        return f"Pod {shown(self.pod.name)} {verb} claim {shown(self.claim_name)}"

    def _made_by_fluid(self, claim: ClaimSnapshot, volume: SeenVolume) -> bool:
        """Fluid made the volume for this claim: by its annotation, and because both are named as one Dataset.

        The annotation alone would not do: a copy of the volume carries it as well.
        """
        names = (fluid_names.volume_name(*self.key), claim.name)  # the second in Fluid before 0.6 (pv.go:21)
        return volume.snapshot.made_by_fluid and volume.snapshot.name in names

    # The Pod asks for something else.

    def _source(self, claim: ClaimSnapshot, volume: SeenVolume | None) -> Finding | None:
        """B1, and the same export through another claim."""
        datasets = self.picture.datasets_by_source.get(self.key, ())
        if datasets:
            return self._original(claim, datasets)
        export = volume.export if volume else None
        same = _of_export(self.picture, self.pod, export)
        if export is None or not same:
            return None
        return self._finding(
            Verdict.OTHER_CLAIM_OF_SOURCE,
            f"{self._start()}, which is {_export(export)}, the source of Dataset {_named(same)}: "
            "it reads past Fluid.",
            f"Mount claim {shown(same[0].name)} instead.",
            *(_evidence_of(claim), Evidence(f"volume {claim.volume_name}", f"is {_export(export)}")),
            *_source_of(same[0]),
            dataset=_key(same[0]),
        )

    def _original(self, claim: ClaimSnapshot, datasets: tuple[DatasetSnapshot, ...]) -> Finding:
        dataset = datasets[0]
        names = _named(datasets)
        also = [d for d in datasets if d.name in self.pod.claim_names]
        evidence = [_evidence_of(claim), *_source_of(dataset), *self._no_fuse(dataset)]
        if also:
            evidence.append(Evidence(self.place, f"mounts claim {also[0].name} of the Dataset as well"))
        causes = why_not_bound(self.picture, *_key(dataset))
        change = f"Mount claim {shown(dataset.name)} instead."
        if also:
            change = f"Read from claim {shown(also[0].name)}, and keep {shown(claim.name)} only to write."
        elif not serves(dataset):
            first = f" {causes[0].change}" if causes else ""
            change = f"{change} It is made when Dataset {shown(dataset.name)} is Bound.{first}"
        return self._finding(
            Verdict.ORIGINAL_CLAIM,
            f"{self._start()}, which is the source of Dataset {names}: it reads past Fluid.",
            change,
            *evidence,
            dataset=_key(dataset),
            causes=causes,
        )

    def _no_fuse(self, dataset: DatasetSnapshot) -> Iterator[Evidence]:
        fuse = self.picture.fuse(*_key(dataset))
        if self.pod.node and self.pod.node not in fuse.labelled:
            yield Evidence(f"node {self.pod.node}", f"has no label {fuse.label}, so no Fuse was asked for")

    def _namesake(self, claim: ClaimSnapshot, volume: SeenVolume | None, dataset: DatasetSnapshot) -> Finding:
        """B2: Fluid leaves a claim of the Dataset's name as it is (runtime_controller.go:291-296)."""
        evidence = [
            _evidence_of(claim),
            Evidence(f"claim {namespaced(claim)}", "lacks the annotation CreatedBy=fluid"),
        ]
        if volume is not None:
            kind = volume.snapshot.driver or (_export(volume.export) if volume.export else "no CSI volume")
            evidence.append(Evidence(f"volume {volume.snapshot.name}", f"is {kind}"))
        itself = self.claim_name in dataset.source_claims
        if itself:
            says = "which is the Dataset's own source: both have one name, so Fluid made no claim"
            change = (
                "Make the Dataset and its runtime anew under another name, and mount the claim of that name."
            )
        else:
            says = f"which Fluid did not make: it was there when Dataset {shown(dataset.name)} came"
            change = (
                f"Delete claim {shown(self.claim_name)}, or give the Dataset another name; "
                "Fluid then makes a claim of its own."
            )
        return self._finding(
            Verdict.NAMESAKE_CLAIM,
            f"{self._start()}, {says}. It reads past Fluid.",
            change,
            *evidence,
            dataset=_key(dataset),
        )

    def _hand_made(self, claim: ClaimSnapshot, volume: SeenVolume) -> Finding:
        """B3, B4: a volume of Fluid's driver that Fluid did not make."""
        target = volume.runtime
        faults = list(self._faults(claim, volume, target))
        dataset = target if target in self.picture.datasets_by_key else None
        name = volume.snapshot.name
        evidence = [
            _evidence_of(claim),
            Evidence(f"volume {name}", f"has driver {volume.snapshot.driver} and was not made by Fluid"),
            *(Evidence(f"volume {name}", fault) for fault in faults),
        ]
        start = f"{self._start()}, whose volume {shown(name)} was made by hand for Fluid's driver"
        change = "Delete that claim and its volume. "
        if dataset is None:
            change += "Mount the claim of a Dataset in this namespace."
        elif dataset[0] == self.pod.namespace:
            change += f"Mount claim {shown(dataset[1])} instead."
        else:
            change += _reference(self.pod.namespace, dataset)
        if faults:
            says = f"{start}, and cannot work: {faults[0]}."
        else:
            says = f"{start}. It may work, but Fluid neither protects nor mends it."
        return self._finding(Verdict.HAND_MADE_VOLUME, says, change, *evidence, dataset=dataset)

    def _faults(self, claim: ClaimSnapshot, volume: SeenVolume, target: Key | None) -> Iterator[str]:
        """Why the plugin would refuse the volume, or mount nothing (nodeserver.go:115-126 and 385-399)."""
        attributes = volume.snapshot.attributes
        if not attributes.get("fluid_path"):
            yield "its attributes have no fluid_path"
        if target is None:
            # Without them the plugin asks for the claim, which must look like Fluid's (volume/get.go:45).
            marks = (fluid_names.STORAGE_LABEL_PREFIX, "fluid.io/managed-by")
            if not any(label.startswith(marks) for label in claim.labels):
                yield "its attributes do not name the runtime (runtime_namespace, runtime_name)"
            return
        if target not in self.picture.runtimes_by_key and target not in self.picture.datasets_by_key:
            yield f"its attributes name runtime {'/'.join(target)}, which is not there"
            return
        own = self.picture.volumes_by_name.get(fluid_names.volume_name(*target))
        if own is not None and own.snapshot.made_by_fluid:
            for attribute in _COMPARED_ATTRIBUTES:
                right, has = own.snapshot.attributes.get(attribute), attributes.get(attribute)
                if has and right and has != right:
                    yield f"its {attribute} is {has}, and that of Fluid's own volume is {right}"

    def _left_over(self, claim: ClaimSnapshot) -> Finding:
        """A claim of Fluid's whose Dataset is gone."""
        causes = why_not_bound(self.picture, *self.key)
        change = (
            causes[0].change if causes else f"Make Dataset {shown(self.claim_name)} and its runtime anew."
        )
        return self._finding(
            Verdict.DATASET_NOT_BOUND,
            f"{self._start()}, which Fluid made for a Dataset that is not there any more.",
            change,
            _evidence_of(claim),
            dataset=None,
            causes=causes,
        )

    # There is no claim of that name.

    def _without_claim(self, dataset: DatasetSnapshot | None) -> Finding | None:
        if self.pod.ended or self.pod.deleting:
            return None
        if dataset is not None:
            return self._claim_not_there(dataset)
        if self.key in self.picture.runtimes_by_key:
            causes = why_not_bound(self.picture, *self.key)
            return self._finding(
                Verdict.DATASET_NOT_BOUND,
                f"{self._start('waits for')}, which comes with a Dataset: {_because(causes)}.",
                causes[0].change if causes else "",
                *self._said(),
                dataset=self.key,
                causes=causes,
            )
        return self._elsewhere() or self._misspelt() or self._unknown()

    def _elsewhere(self) -> Finding | None:
        """B5: a claim can be used only in its own namespace."""
        others = self.picture.datasets_by_name.get(self.claim_name, ())
        if not others:
            return None
        places = [dataset.namespace for dataset in others]
        return self._finding(
            Verdict.OTHER_NAMESPACE,
            f"{self._start('asks for')}, which is not in its namespace {shown(self.pod.namespace)}: "
            f"Dataset {shown(self.claim_name)} is in {quoted_list(places)}.",
            _reference(self.pod.namespace, _key(others[0])),
            *(Evidence(f"Dataset {namespaced(dataset)}", str(dataset)) for dataset in others),
            *self._said(),
            dataset=_key(others[0]),
        )

    def _misspelt(self) -> Finding | None:
        """B6: the nearest right name in this namespace."""
        names = self.picture.names_by_namespace.get(self.pod.namespace, {})
        like = nearest(self.claim_name, names)
        if not like:
            return None
        dataset = names[like]
        near = f"Dataset {shown(like)} is there"
        if like != dataset.name:
            near = f"{shown(like)} is, the source of Dataset {shown(dataset.name)}"
        return self._finding(
            Verdict.MISSPELT,
            f"{self._start('asks for')}, and there is none; {near}.",
            f"Mount claim {shown(dataset.name)} instead.",
            Evidence(f"Dataset {namespaced(dataset)}", str(dataset)),
            *self._said(),
            dataset=_key(dataset),
        )

    def _unknown(self) -> Finding | None:
        """Nothing of Fluid's has a like name; only the Pod's own label says that it wants a Dataset."""
        if not self.seen.asks_for_fluid:
            return None
        here = [dataset.name for dataset in self.picture.datasets_by_namespace.get(self.pod.namespace, ())]
        there = f"there are {quoted_list(here)}" if here else "there is none in its namespace"
        return self._finding(
            Verdict.NO_SUCH_DATASET,
            f"{self._start('asks for')} and by its labels for Fluid, but no Dataset has that name: {there}.",
            f"Make Dataset {shown(self.claim_name)}, or mount the claim of one that is there.",
            *self._said(),
            dataset=None,
        )

    def _claim_not_there(self, dataset: DatasetSnapshot) -> Finding:
        if dataset.deleting:
            return self._being_deleted(dataset)
        if not serves(dataset):
            return self._not_bound(dataset)
        volume = self.picture.volumes_by_name.get(fluid_names.volume_name(*self.key))
        if volume is not None and volume.snapshot.claim_uid:
            return self._claim_deleted(
                dataset, "which was deleted by hand: its volume still names it", volume, None
            )
        young = self._young(self.picture.bound_since.get(self.key) or dataset.meta.created)
        return self._finding(
            Verdict.CLAIM_NOT_MADE,
            f"{self._start('waits for')}, which Fluid has yet to make for Dataset {shown(dataset.name)}.",
            ""
            if young
            else "See the logs of Fluid's alluxioruntime-controller: the Dataset is Bound and has no claim.",
            Evidence(f"Dataset {namespaced(dataset)}", str(dataset)),
            *self._said(),
            dataset=self.key,
            state=State.WAITING if young else State.WRONG,
        )

    # It is the right claim.

    def _right_claim(
        self, claim: ClaimSnapshot, volume: SeenVolume | None, dataset: DatasetSnapshot
    ) -> Finding:
        if self.pod.ended:
            return self._finding(
                Verdict.ENDED,
                f"{self._start('mounted')} of Dataset {shown(dataset.name)} and has ended.",
                "",
                _evidence_of(claim),
                dataset=self.key,
                state=State.OK,
            )
        if dataset.deleting:
            return self._being_deleted(dataset)
        if not serves(dataset):
            return self._not_bound(dataset)
        deleted = self._how_deleted(claim, volume)
        if deleted:
            return self._claim_deleted(dataset, deleted, volume, claim)
        return self._on_node(claim, volume, dataset) if self.pod.node else self._unscheduled(claim, volume)

    def _being_deleted(self, dataset: DatasetSnapshot) -> Finding:
        """B10, E1."""
        runs = bool(self.pod.node)
        return self._finding(
            Verdict.DATASET_BEING_DELETED,
            f"{self._start()} of Dataset {shown(dataset.name)}, which is being deleted"
            + (" and waits until this Pod ends." if runs else "."),
            "End this Pod when you can; make the Dataset anew if it is still needed.",
            Evidence(f"Dataset {namespaced(dataset)}", str(dataset)),
            *self._events("Dataset", dataset.namespace, dataset.name),
            dataset=_key(dataset),
        )

    def _not_bound(self, dataset: DatasetSnapshot) -> Finding:
        causes = why_not_bound(self.picture, *_key(dataset))
        young = not causes and self._young(dataset.meta.created)
        runs = self.pod.phase == "Running"
        verb = "mounts" if runs else "waits for"
        why = f": {_because(causes)}" if causes else "; nothing stands in its way but time"
        change = causes[0].change if causes else ""
        if not causes and not young:
            why = "; the objects do not show why"
            change = f"See the events and conditions of Dataset {shown(dataset.name)} and its runtime."
        return self._finding(
            Verdict.DATASET_NOT_BOUND,
            f"{self._start(verb)} of Dataset {shown(dataset.name)}, which is "
            f"{dataset.phase or 'not taken up by Fluid'}{why}.",
            change,
            Evidence(f"Dataset {namespaced(dataset)}", str(dataset)),
            *(fact for cause in causes for fact in cause.evidence),
            *self._events("Dataset", dataset.namespace, dataset.name),
            *(
                event
                for runtime in self.picture.runtimes_by_key.get(_key(dataset), ())
                for event in self._events(runtime.kind, runtime.namespace, runtime.name)
            ),
            dataset=_key(dataset),
            state=State.WAITING if young else State.WRONG,
            causes=causes,
        )

    def _how_deleted(self, claim: ClaimSnapshot, volume: SeenVolume | None) -> str:
        """B8: whether somebody deleted the claim; a kept volume remembers the uid of the one that it had."""
        if claim.deleting:
            return "which was deleted by hand: it goes when no Pod uses it any more"
        held = volume or self.picture.volumes_by_name.get(fluid_names.volume_name(*self.key))
        if claim.phase != "Bound" and held is not None and held.snapshot.claim_uid not in ("", claim.uid):
            return "which was deleted by hand and made anew, and its volume is still held for the old one"
        return ""

    def _claim_deleted(
        self, dataset: DatasetSnapshot, says: str, volume: SeenVolume | None, claim: ClaimSnapshot | None
    ) -> Finding:
        """B8."""
        name = volume.snapshot.name if volume else fluid_names.volume_name(*self.key)
        evidence = (
            [_evidence_of(claim)] if claim else [Evidence(f"claim {'/'.join(self.key)}", "is not there")]
        )
        if volume is not None:
            evidence.append(
                Evidence(f"volume {name}", f"{volume.snapshot}, uid of its claim {volume.snapshot.claim_uid}")
            )
        if claim is not None and claim.deleting:
            change = (
                f"End the Pods that use the claim, delete volume {shown(name)} as well, and start them "
                "again: Fluid makes both anew."
            )
        elif claim is not None:
            change = f"Delete claim {shown(claim.name)} and volume {shown(name)}: Fluid makes both anew."
        else:
            change = f"Delete volume {shown(name)} as well: Fluid makes both anew within two minutes."
        return self._finding(
            Verdict.CLAIM_DELETED,
            f"{self._start('mounts' if self.pod.node else 'waits for')}, {says}.",
            change,
            *evidence,
            Evidence(f"Dataset {namespaced(dataset)}", str(dataset)),
            dataset=_key(dataset),
        )

    def _unscheduled(self, claim: ClaimSnapshot, volume: SeenVolume | None) -> Finding:
        """B25: the volume may be used only on some nodes (create.go:111-135), and the Pod on others."""
        nodes = self.picture.nodes
        mine = [node for node in nodes if self.seen.placement.may_use(node)]
        terms = volume.terms if volume else None
        if terms is not None and mine and not any(terms.holds(node) for node in mine):
            name = volume.snapshot.name if volume else ""
            return self._finding(
                Verdict.VOLUME_ELSEWHERE,
                f"{self._start('asks for')} of Dataset {shown(self.claim_name)}, which may be used only on "
                f"nodes with {terms}, and this Pod may run only on {quoted_list([n.name for n in mine])}.",
                "Change spec.fuse.nodeSelector of the runtime, or let the Pod run on those nodes.",
                Evidence(f"volume {name}", f"is for nodes with {terms}"),
                Evidence(self.place, f"asks for {self.seen.placement}"),
                *self._said(),
                dataset=self.key,
            )
        young = self._young(self.pod.created)
        return self._finding(
            Verdict.NOT_SCHEDULED,
            f"{self._start('asks for')} of Dataset {shown(self.claim_name)} and has no node yet.",
            "" if young else "See what the scheduler says of it: the Dataset and its claim are well.",
            _evidence_of(claim),
            *self._said(),
            dataset=self.key,
            state=State.WAITING if young else State.WRONG,
        )

    def _on_node(self, claim: ClaimSnapshot, volume: SeenVolume | None, dataset: DatasetSnapshot) -> Finding:
        node = self.pod.node
        if not self.seen.volumes_mounted:
            drivers = self.picture.drivers.get(node, frozenset())
            if fluid_names.CSI_DRIVER_NAME not in drivers:
                return self._no_plugin(node, drivers)
        served_by = (volume.runtime if volume else None) or self.key
        fuse = self.picture.fuse(*served_by)
        fuse_pod = fuse.pod_on(node)
        facts = [
            _evidence_of(claim),
            Evidence(f"node {node}", f"{'has' if node in fuse.labelled else 'lacks'} label {fuse.label}"),
            Evidence(
                f"Fuse of {fuse.dataset}", str(fuse_pod) if fuse_pod else f"no Pod on {node}; {_wanted(fuse)}"
            ),
        ]
        if not self.seen.volumes_mounted:
            return self._starting(fuse, facts, dataset)
        if not fuse.ready_on(node):
            return self._fuse_not_ready(fuse, facts, dataset)
        restarted = self._fuse_began_later(fuse)
        if restarted is not None and not (self.picture.fuse_recovery and self._hears_of_mounts()):
            began, mine = restarted
            return self._finding(
                Verdict.FUSE_RESTARTED,
                f"{self._start()} of Dataset {shown(dataset.name)}, and the Fuse on its node began anew "
                "after it: the mount that it has is dead, unless somebody mounted it again.",
                f"Delete Pod {shown(self.pod.name)} and let it be made anew.",
                *facts,
                Evidence(
                    f"Fuse of {fuse.dataset}", f"runs since {began:%H:%M:%S}, this Pod since {mine:%H:%M:%S}"
                ),
                dataset=_key(dataset),
            )
        return self._finding(
            Verdict.SERVED,
            f"{self._start()} of Dataset {shown(dataset.name)}: it goes through Fluid.",
            "",
            *facts,
            *(
                [
                    Evidence(
                        f"claim {namespaced(claim)}", "lacks CreatedBy=fluid: its Dataset is not protected"
                    )
                ]
                if not claim.made_by_fluid
                else []
            ),
            dataset=_key(dataset),
            state=State.OK,
        )

    def _no_plugin(self, node: str, drivers: frozenset[str]) -> Finding:
        """B24."""
        plugin = self.picture.csi_plugins.get(node)
        seen = str(plugin) if plugin else "no Pod on this node" if self.picture.csi_plugins else "not seen"
        return self._finding(
            Verdict.CSI_PLUGIN_MISSING,
            f"{self._start('waits for')} on node {shown(node)}, where Fluid's CSI plugin is not registered.",
            f"See why DaemonSet {shown('csi-nodeplugin-fluid')} has no ready Pod on node {shown(node)}.",
            Evidence(
                f"CSINode {node}",
                f"has drivers {', '.join(sorted(drivers)) or 'none'}, not {fluid_names.CSI_DRIVER_NAME}",
            ),
            Evidence("CSI plugin", seen),
            *self._said(),
            dataset=self.key,
        )

    def _starting(self, fuse: FuseSnapshot, facts: list[Evidence], dataset: DatasetSnapshot) -> Finding:
        """Its volumes are being set up: the plugin labels the node, waits for the Fuse and mounts."""
        young = self._young(self.pod.started or self.pod.created)
        node = self.pod.node
        if node not in fuse.labelled:
            doubt, change = (
                "the plugin has not labelled the node",
                "See the logs of Fluid's CSI plugin on the node.",
            )
        elif not fuse.ready_on(node):
            doubt, change = (
                "the Fuse Pod on its node is not ready",
                f"See Pod {shown(_fuse_name(fuse, node))}.",
            )
        else:
            doubt, change = "the Fuse is ready and the mount is not there", "See the events of this Pod."
        verdict = Verdict.STARTING if young else Verdict.FUSE_NOT_READY
        return self._finding(
            verdict,
            f"{self._start('waits for')} of Dataset {shown(dataset.name)}: {doubt}.",
            "" if young else change,
            *facts,
            *self._said(),
            dataset=_key(dataset),
            state=State.WAITING if young else State.WRONG,
        )

    def _fuse_not_ready(self, fuse: FuseSnapshot, facts: list[Evidence], dataset: DatasetSnapshot) -> Finding:
        """B31, D8: the Pod has its mount, and nothing serves it."""
        node = self.pod.node
        fuse_pod = fuse.pod_on(node)
        if node not in fuse.labelled:
            why = f"node {shown(node)} has lost the label that asks for a Fuse"
            change = f"Delete Pod {shown(self.pod.name)} and let it be made anew: that labels the node again."
        elif fuse.daemon_set is None:
            why = "the Fuse DaemonSet is not there"
            change = "Delete the runtime and make it anew; applications that use the Dataset must end first."
        elif fuse_pod is None:
            why = f"no Fuse Pod is on node {shown(node)}"
            change = f"See why DaemonSet {shown(fuse.daemon_set.name)} has no Pod on node {shown(node)}."
        else:
            why = f"Fuse Pod {shown(fuse_pod.name)} is not ready"
            change = f"See the logs of Pod {shown(fuse_pod.name)}."
        return self._finding(
            Verdict.FUSE_NOT_READY,
            f"{self._start()} of Dataset {shown(dataset.name)}, and {why}: its reads fail.",
            change,
            *facts,
            dataset=_key(dataset),
        )

    def _fuse_began_later(self, fuse: FuseSnapshot) -> tuple[datetime, datetime] | None:
        """When the Fuse's present run began and when the Pod's own did, if the Fuse is the younger.

        A container is started only after its volumes are mounted, so a living mount is younger
        than the Fuse process behind it and older than the container.
        """
        fuse_pod = fuse.pod_on(self.pod.node)
        if fuse_pod is None:
            return None
        served = self.picture.pods_by_key.get((fuse_pod.namespace, fuse_pod.name))
        users = {container for container, _ in self.pod.paths_of(self.claim_name)}
        mine = [when for name, when in self.seen.began.items() if name in users]
        if served is None or not served.began or not mine:
            return None
        began, oldest = max(served.began.values()), min(mine)
        return (began, oldest) if began > oldest else None

    def _hears_of_mounts(self) -> bool:
        """A mount made later on the node shows in its containers."""
        volumes = {volume for volume, claim in self.pod.claims.items() if claim == self.claim_name}
        mounts = [m for c in self.pod.containers for m in c.mounts if m.volume in volumes]
        return bool(mounts) and all(m.propagation in ("HostToContainer", "Bidirectional") for m in mounts)

    # Small things.

    def _young(self, since: datetime | None) -> bool:
        return since is not None and self.picture.taken - since < PATIENCE

    def _said(self) -> Iterator[Evidence]:
        """What the scheduler and the kubelet say of the Pod."""
        if self.pod.scheduling:
            yield Evidence("scheduler", self.pod.scheduling)
        yield from self._events("Pod", self.pod.namespace, self.pod.name)

    def _events(self, kind: str, namespace: str, name: str) -> Iterator[Evidence]:
        for event in self.picture.events_by_object.get((kind, namespace, name), ())[-2:]:
            yield Evidence(f"event of {kind} {namespace}/{name}", str(event))


def _exports(picture: ClusterState, pod: PodInfo) -> Iterator[Finding]:
    """B1 without a claim: the Pod mounts the export itself."""
    for export in dict.fromkeys(pod.exports.values()):
        datasets = _of_export(picture, pod.snapshot, export)
        if datasets:
            place = f"Pod {namespaced(pod.snapshot)}"
            yield Finding(
                pod.key,
                _key(datasets[0]),
                "",
                Verdict.OTHER_CLAIM_OF_SOURCE,
                State.WRONG,
                f"Pod {shown(pod.snapshot.name)} mounts {_export(export)} itself, the source of Dataset "
                f"{_named(datasets)}: it reads past Fluid.",
                f"Mount claim {shown(datasets[0].name)} instead.",
                (Evidence(place, f"has an NFS volume, {_export(export)}"), *_source_of(datasets[0])),
            )


def _sidecars(picture: ClusterState, pod: PodInfo) -> Iterator[Finding]:
    """A30: the Fuse is in the Pod itself, and the claim was replaced by a folder of the node."""
    for container_name, key in pod.sidecars.items():
        container = pod.snapshot.container(container_name)
        if container is None or (container.init and not container.sidecar):
            continue  # of the init containers, which have a sidecar of their own while they run
        start = f"Pod {shown(pod.snapshot.name)} has a Fuse of Dataset {shown(key[1])} beside it"
        evidence = (
            Evidence(f"Pod {namespaced(pod.snapshot)}", f"is labelled {SIDECAR_LABELLED}"),
            Evidence(f"container {container_name}", str(container)),
        )
        dataset = picture.datasets_by_key.get(key)
        state, verdict, says, change = State.OK, Verdict.SIDECAR, f"{start}: it goes through Fluid.", ""
        if pod.snapshot.ended:
            verdict, says = Verdict.ENDED, f"{start} and has ended."
        elif dataset is None or not serves(dataset):
            state, verdict = State.WRONG, Verdict.DATASET_NOT_BOUND
            causes = why_not_bound(picture, *key)
            phase = dataset.phase or "not taken up by Fluid" if dataset else "not there"
            says = f"{start}, and that Dataset is {phase}."
            change = causes[0].change if causes else f"Make Dataset {shown(key[1])} anew."
        elif not container.running:
            # Ready is not asked for: Fluid may give a sidecar no probe at all.
            state, verdict = State.WRONG, Verdict.SIDECAR_NOT_READY
            says = f"{start}, and it does not run."
            change = f"See the logs of container {shown(container_name)}."
            if pod.snapshot.created and picture.taken - pod.snapshot.created < PATIENCE:
                state = State.WAITING if not container.restarts else State.WRONG
        yield Finding(pod.key, key, "", verdict, state, says, change, evidence)


SIDECAR_LABELLED: Final = "done.sidecar.fluid.io/inject=true"


def _key(dataset: DatasetSnapshot) -> Key:
    return dataset.namespace, dataset.name


def _evidence_of(claim: ClaimSnapshot) -> Evidence:
    return Evidence(f"claim {namespaced(claim)}", str(claim))


def _source_of(dataset: DatasetSnapshot) -> Iterator[Evidence]:
    points = ", ".join(mount.mount_point for mount in dataset.mounts)
    yield Evidence(f"Dataset {namespaced(dataset)}", f"{dataset.phase or 'without phase'}, mounts {points}")


def _export(export: Export) -> str:
    return f"NFS export {export[0]}:{export[1]}"


def _of_export(picture: ClusterState, pod: PodSnapshot, export: Export | None) -> tuple[DatasetSnapshot, ...]:
    """The Datasets of the Pod's namespace whose data are on that export.

    Whoever uses the export from another namespace may well have nothing to do with the Dataset.
    """
    found = picture.datasets_by_export.get(export, ()) if export else ()
    return tuple(dataset for dataset in found if dataset.namespace == pod.namespace)


def _named(datasets: tuple[DatasetSnapshot, ...]) -> str:
    return quoted_list([dataset.name for dataset in datasets])


def _reference(namespace: str, dataset: Key) -> str:
    """How to use a Dataset from another namespace."""
    return (
        f"Run the Pod in namespace {shown(dataset[0])}, or make a Dataset in {shown(namespace)} that refers "
        f"to it (mountPoint {shown(f'dataset://{dataset[0]}/{dataset[1]}')}) and mount the claim of that."
    )


def _because(causes: tuple[Cause, ...]) -> str:
    return causes[0].says if causes else "it is being set up"


def _wanted(fuse: FuseSnapshot) -> str:
    return str(fuse.daemon_set) if fuse.daemon_set else "no DaemonSet"


def _fuse_name(fuse: FuseSnapshot, node: str) -> str:
    pod = fuse.pod_on(node)
    return pod.name if pod else f"{fuse.dataset.partition('/')[2]}-fuse on node {node}"
