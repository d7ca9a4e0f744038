"""The rights of a run: what decides them, and what lies beyond them."""

from __future__ import annotations

from clusters.disruption import Disruption
from clusters.kubernetes import kinds
from clusters.kubernetes.used_rights import UsedRight
from clusters.product import fluid
from clusters.rights import Grant, beyond, rights_of_run, rules

OWN = ("fc-1",)


def test_base_rights_change_nothing_of_others() -> None:
    """Outside its own namespaces a run creates namespaces and volumes, and else only reads."""
    rights = rights_of_run()
    writes = {grant.resource for grant in rights.cluster if set(grant.verbs) - {"get", "list", "watch"}}
    assert writes == {"namespaces", "persistentvolumes"}
    assert all(set(grant.verbs) <= {"get", "list", "watch"} for grant in rights.fluid)
    assert "secrets" not in {grant.resource for grant in (*rights.cluster, *rights.fluid)}


def test_disruption_and_kinds_add_rights() -> None:
    """Each where it is needed."""
    labels = UsedRight("patch", "", "nodes")
    plugin = UsedRight("patch", "apps", "daemonsets", fluid.NAMESPACE)
    secret = UsedRight("create", "", "secrets", "fc-1")
    profile = UsedRight("create", "data.fluid.io", "thinruntimeprofiles")
    used = (labels, plugin, secret, profile)
    assert beyond(rights_of_run(), used, OWN) == tuple(sorted(used))
    more = rights_of_run(
        {Disruption.NODE_LABELS, Disruption.FLUID_COMPONENTS}, {kinds.SECRET, kinds.THIN_RUNTIME_PROFILE}
    )
    assert beyond(more, used, OWN) == ()
    assert beyond(rights_of_run({Disruption.NODE}), [labels], OWN) == ()
    assert beyond(rights_of_run({Disruption.NODE_CACHE}), [labels], OWN) == (labels,)


def test_rights_of_own_namespaces_hold_nowhere_else() -> None:
    """Not in foreign namespaces, not in Fluid's, not in all."""
    rights = rights_of_run()
    for namespace in ("team", fluid.NAMESPACE, ""):
        right = UsedRight("delete", "", "pods", namespace)
        assert beyond(rights, [right], OWN) == (right,)
    assert beyond(rights, [UsedRight("delete", "", "pods", "fc-1")], OWN) == ()


def test_questions_about_oneself_need_no_right() -> None:
    """Every user may ask them."""
    ask = UsedRight("create", "authorization.k8s.io", "selfsubjectaccessreviews")
    assert beyond(rights_of_run(), [ask], OWN) == ()


def test_rules_join_verbs_and_resources() -> None:
    """One rule for each group and list of verbs."""
    grants = [
        Grant(("get",), kinds.POD),
        Grant(("list",), kinds.POD),
        Grant(("get", "list"), kinds.SERVICE),
        Grant(("get",), kinds.POD, "log"),
        Grant(("patch",), kinds.DAEMON_SET),
    ]
    assert rules(grants) == [
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list"]},
        {"apiGroups": ["apps"], "resources": ["daemonsets"], "verbs": ["patch"]},
    ]
