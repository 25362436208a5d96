"""What deploy/ says fits the bridge: settings, ports, paths, and how long a stop may take."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bridge.errors import SettingsError
from bridge.server.health import healthz, readyz
from bridge.settings import Settings
from bridge.settings.reading import load_settings, unknown_variables
from tests.wire import bridge_running

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
HAPROXY = DEPLOY / "haproxy" / "haproxy.cfg"
ENDING = 20.0
"""Seconds that a bridge may take to hang up, and to write its record, after the drain."""


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def of_kind(kind: str) -> Any:
    """The Kubernetes object of a kind, of which there is one."""
    (found,) = (
        body for path in sorted(KUBERNETES.glob("*.yaml")) if (body := read(path))["kind"] == kind
    )
    return found


def pod() -> Any:
    return of_kind("Deployment")["spec"]["template"]["spec"]


def container() -> Any:
    (one,) = pod()["containers"]
    return one


def image_variables() -> dict[str, str]:
    """What the image sets itself."""
    return dict(re.findall(r"^\s+(BRIDGE_\w+)=(\S+)", DOCKERFILE, re.MULTILINE))


def compose() -> Any:
    return read(DEPLOY / "compose.yaml")


SET = "something-that-is-long-enough"
"""What somebody puts in where a secret is to be set."""

VARIABLES: dict[str, Mapping[str, str]] = {
    "compose": {
        name: re.sub(r"\$\{\w+(:[?-]([^}]*))?\}", SET, value)
        for name, value in compose()["services"]["bridge-one"]["environment"].items()
        if not value.endswith(":-}")
    },
    "kubernetes": {**of_kind("ConfigMap")["data"], **of_kind("Secret")["stringData"]},
}


def settings_of(where: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Settings:
    """Read the settings as the bridge would there."""
    for name in list(os.environ):
        if name.startswith("BRIDGE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    for name, value in {**image_variables(), **VARIABLES[where]}.items():
        monkeypatch.setenv(name, value.replace("replace-me", SET))
    assert unknown_variables() == []
    return load_settings()


def test_a_token_that_was_not_replaced_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings_of("kubernetes", monkeypatch, tmp_path)
    monkeypatch.setenv("BRIDGE_TOKEN", VARIABLES["kubernetes"]["BRIDGE_TOKEN"])
    with pytest.raises(SettingsError, match="fewer than 16 characters"):
        load_settings()


def seconds(duration: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(s|m)", duration).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60}[unit]


@pytest.mark.parametrize("where", VARIABLES)
def test_what_is_set_are_settings_and_a_stop_has_time_for_its_drain(
    where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = settings_of(where, monkeypatch, tmp_path)
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)  # noqa: S104 - in a container
    assert settings.database_url.get_secret_value().startswith("postgresql+asyncpg://")
    drain = settings.pre_drain + settings.drain_timeout + ENDING
    if where == "compose":
        for name in ("bridge-one", "bridge-two", "haproxy"):
            assert seconds(compose()["services"][name]["stop_grace_period"]) > drain
    else:
        asleep = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])
        assert pod()["terminationGracePeriodSeconds"] > asleep + drain
        probe = container()["readinessProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] < settings.pre_drain


def test_a_balancer_notices_a_drain_before_calls_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = re.search(r"inter (\d+)s fall (\d+)", HAPROXY.read_text())
    assert found is not None
    every, times = map(int, found.groups())
    assert every * (times + 1) < settings_of("compose", monkeypatch, tmp_path).pre_drain


async def test_whoever_asks_for_a_path_finds_it(tmp_path: Path) -> None:
    probes = ("startupProbe", "readinessProbe", "livenessProbe")
    asked = {container()[probe]["httpGet"]["path"] for probe in probes}
    asked |= set(re.findall(r"uri (\S+)", HAPROXY.read_text()))
    asked |= set(re.findall(r"http://127\.0\.0\.1:8080(/\w+)", DOCKERFILE))
    assert asked == {"/healthz", "/readyz"}
    assert container()["livenessProbe"]["httpGet"]["path"] == "/healthz"  # also while it drains
    async with bridge_running(tmp_path, model="demo") as bridge:
        routes = bridge.ports.calls._runner.app.router.resources()
        paths = {resource.canonical for resource in routes}
        assert asked <= paths
        assert "/millis" in paths
        assert of_kind("Ingress")["spec"]["rules"][0]["http"]["paths"][0]["path"] == "/millis"
    assert healthz is not readyz


def test_the_parts_in_kubernetes_mean_each_other() -> None:
    labels = of_kind("Deployment")["spec"]["template"]["metadata"]["labels"]
    port, apart = container()["ports"]
    assert of_kind("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert of_kind("Service")["spec"]["selector"] == labels
    assert of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert of_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    assert port["containerPort"] == 8080
    assert apart["containerPort"] == int(of_kind("ConfigMap")["data"]["BRIDGE_ADMIN_PORT"])
    let_in = {
        source["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]: [
            one["port"] for one in source["ports"]
        ]
        for source in of_kind("NetworkPolicy")["spec"]["ingress"]
    }
    assert let_in == {"ingress-nginx": [8080], "monitoring": [apart["containerPort"]]}
    (served,) = of_kind("Service")["spec"]["ports"]
    assert served["targetPort"] == port["name"]
    scaled = of_kind("HorizontalPodAutoscaler")["spec"]
    assert scaled["scaleTargetRef"]["name"] == of_kind("Deployment")["metadata"]["name"]
    target = int(scaled["metrics"][0]["pods"]["target"]["averageValue"])
    assert target < int(of_kind("ConfigMap")["data"]["BRIDGE_MAX_CALLS"])
    assert scaled["minReplicas"] > 1  # else the disruption budget lets nobody empty a node
    sources = {name for ref in container()["envFrom"] for name in ref}
    assert sources == {"configMapRef", "secretRef"}
    listed = set(read(KUBERNETES / "kustomization.yaml")["resources"])
    assert listed == {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}


def test_nothing_runs_as_root_or_can_become_it() -> None:
    stages = DOCKERFILE.split("\nFROM ")
    (user,) = re.findall(r"^USER (\d+)", stages[-1], re.MULTILINE)
    assert int(user) == pod()["securityContext"]["runAsUser"] > 0
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert container()["securityContext"]["allowPrivilegeEscalation"] is False
    assert container()["securityContext"]["readOnlyRootFilesystem"] is True
    written = {mount["mountPath"] for mount in container()["volumeMounts"]}
    assert written == {"/var/lib/bridge", "/tmp"}  # noqa: S108
    assert image_variables()["BRIDGE_SPOOL_DIR"].startswith("/var/lib/bridge/")


# ── packages ─────────────────────────────────────────────────────────────────────────────────────


def locked(name: str) -> dict[str, str]:
    """The version of each package in a file of deploy/; every one must have hashes."""
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", (DEPLOY / name).read_text().strip()):
        if entry.startswith("#"):
            continue
        requirement = Requirement(entry.split("\\")[0].strip())
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), requirement
        (pin,) = requirement.specifier
        assert pin.operator == "==", requirement
        found[canonicalize_name(requirement.name)] = pin.version
    return found


def wanted(extras: list[str]) -> Iterator[Requirement]:
    """What pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in project["dependencies"]:
        yield Requirement(text)
    for extra in extras:
        yield from map(Requirement, project["optional-dependencies"][extra])


def test_the_image_has_the_packages_that_the_bridge_asks_for_and_their_hashes() -> None:
    extras = re.findall(r"--extra (\w+)", (DEPLOY / "lock.sh").read_text())
    assert {"postgres", "workers"} <= set(extras)
    versions = locked("requirements.txt")
    for requirement in wanted(extras):
        version = versions.get(canonicalize_name(requirement.name))
        assert version, f"run deploy/lock.sh: {requirement} is missing"
        assert requirement.specifier.contains(version), f"run deploy/lock.sh: {requirement}"
    assert "hatchling" in locked("requirements-build.txt")
    for installed in re.findall(r"pip install .*-r (\S+)", DOCKERFILE):
        assert installed.startswith("/src/deploy/requirements")
    assert DOCKERFILE.count("-r /src/deploy/requirements") == DOCKERFILE.count("--require-hashes")


def test_nothing_names_a_registry() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert not re.search(r"--(extra-)?index-url|--find-links|registry\.|pypi\.", text), path


# ── HAProxy ──────────────────────────────────────────────────────────────────────────────────────


def test_haproxy_accepts_its_configuration() -> None:
    haproxy = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if haproxy is None:
        pytest.skip("no haproxy here: apt-get install haproxy")
    variables = {"BRIDGE_ONE": "127.0.0.1:1", "BRIDGE_TWO": "127.0.0.1:2", "LISTEN": ":8080"}
    checked = subprocess.run(  # noqa: S603 - our own file, with the system's own haproxy
        [haproxy, "-c", "-q", "-f", str(HAPROXY)],
        env=variables,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")
