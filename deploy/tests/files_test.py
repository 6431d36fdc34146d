"""The files of deploy/, checked without a gateway: by the schemas of those who read them, and against each other."""

import ipaddress
import json
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import kubernetes_validate
import yaml

DEPLOY = pathlib.Path(__file__).resolve().parents[1]
#: The oldest and the newest Kubernetes that the manifests are checked for.
KUBERNETES = ["1.30", "1.37"]


def read(path):
    with open(path, encoding="utf-8") as file:
        return [document for document in yaml.safe_load_all(file) if document]


class Kubernetes(unittest.TestCase):
    folders = sorted(path.parent for path in (DEPLOY / "kubernetes").rglob("kustomization.yaml"))

    def resources(self, folder):
        """What a kustomization names, and what it takes from other folders."""
        [kustomization] = read(folder / "kustomization.yaml")
        for name in kustomization["resources"]:
            if (folder / name).is_dir():
                yield from self.resources((folder / name).resolve())
            else:
                yield from read(folder / name)

    def test_every_resource_is_valid(self):
        self.assertEqual(len(self.folders), 3)
        for folder in self.folders:
            for resource in self.resources(folder):
                for version in KUBERNETES:
                    with self.subTest(folder=folder.name, kind=resource["kind"], version=version):
                        kubernetes_validate.validate(resource, version, strict=True)

    def test_no_file_is_forgotten(self):
        for folder in self.folders:
            [kustomization] = read(folder / "kustomization.yaml")
            named = {"kustomization.yaml"}
            named.update(name for name in kustomization["resources"] if (folder / name).is_file())
            named.update(patch["path"] for patch in kustomization.get("patches", []))
            for generator in kustomization.get("configMapGenerator", []):
                named.update(generator["files"])
            self.assertEqual(named, {path.name for path in folder.iterdir() if path.is_file()}, folder)

    @unittest.skipUnless(shutil.which("kubectl"), "there is no kubectl")
    def test_kustomize_builds_what_is_valid(self):
        for folder in self.folders:
            built = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True)
            for resource in yaml.safe_load_all(built.stdout):
                kubernetes_validate.validate(resource, KUBERNETES[-1], strict=True)
                for container in resource.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
                    self.assertTrue(container["image"].startswith("registry.example.com/"), container["image"])

    def test_every_pod_is_confined(self):
        pods = [
            resource["spec"]["template"]["spec"]
            for folder in self.folders
            for resource in self.resources(folder)
            if resource["kind"] == "Deployment"
        ]
        self.assertEqual(len(pods), 4)
        for pod in pods:
            self.assertIs(pod["enableServiceLinks"], False)
            self.assertIs(pod["automountServiceAccountToken"], False)
            self.assertIs(pod["securityContext"]["runAsNonRoot"], True)
            self.assertEqual(pod["securityContext"]["runAsUser"], 65532)
            for container in pod["containers"]:
                context = container["securityContext"]
                self.assertIs(context["readOnlyRootFilesystem"], True)
                self.assertIs(context["allowPrivilegeEscalation"], False)
                self.assertEqual(context["capabilities"], {"drop": ["ALL"]})

    def test_one_gateway_at_a_time_has_the_database_and_the_time_to_stop(self):
        resources = list(self.resources(DEPLOY / "kubernetes/base"))
        [deployment] = [resource for resource in resources if resource["kind"] == "Deployment"]
        spec, pod = deployment["spec"], deployment["spec"]["template"]["spec"]
        self.assertEqual((spec["replicas"], spec["strategy"]), (1, {"type": "Recreate"}))
        [claim] = [resource for resource in resources if resource["kind"] == "PersistentVolumeClaim"]
        claims = [volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
        self.assertEqual(claims, [claim["metadata"]["name"]])
        settings = (DEPLOY / "kubernetes/base/hongyan.toml").read_text(encoding="utf-8")
        delay, drain = (int(re.search(rf"^{name} = (\d+)$", settings, re.M)[1]) for name in ["stop_delay_seconds", "drain_seconds"])
        self.assertGreater(pod["terminationGracePeriodSeconds"], delay + drain)
        [container] = pod["containers"]
        self.assertGreater(delay, container["readinessProbe"]["periodSeconds"])
        self.assertEqual(container["readinessProbe"]["httpGet"], {"path": "/readyz", "port": "admin"})
        self.assertEqual(container["livenessProbe"]["httpGet"], {"path": "/livez", "port": "admin"})


class Schemas(unittest.TestCase):
    def check(self, schema, *files):
        paths = [str(DEPLOY / file) for file in files]
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *paths]
        checked = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_compose(self):
        self.check("vendor.compose-spec", "compose/compose.yml")

    def test_github(self):
        self.check("vendor.github-workflows", "ci/github.yml")

    def test_gitlab(self):
        self.check("vendor.gitlab-ci", "ci/gitlab-ci.yml")


class Compose(unittest.TestCase):
    def setUp(self):
        [self.compose] = read(DEPLOY / "compose/compose.yml")

    def test_every_file_of_the_repository_that_is_mounted_exists(self):
        theirs = ["./certificates", "./master.key"]
        for name, service in self.compose["services"].items():
            for volume in service["volumes"]:
                source = volume.split(":")[0]
                if source.startswith(".") and source not in theirs:
                    self.assertTrue((DEPLOY / "compose" / source).exists(), f"{name}: {source}")

    def test_only_nginx_is_reached_from_outside(self):
        for name, service in self.compose["services"].items():
            for port in service.get("ports", []):
                self.assertTrue(port.startswith("127.0.0.1:") or (name, port) == ("nginx", "443:443"), f"{name}: {port}")

    def test_the_gateway_is_confined_and_trusts_only_nginx(self):
        gateway, nginx = self.compose["services"]["hongyan"], self.compose["services"]["nginx"]
        self.assertEqual(gateway["user"], "65532:65532")
        self.assertIs(gateway["read_only"], True)
        self.assertEqual(gateway["environment"]["HONGYAN_TRUSTED_PROXIES"], nginx["networks"]["inside"]["ipv4_address"])

    def test_no_other_container_gets_the_address_of_nginx(self):
        # The gateway starts before nginx, and would get the first address that is free.
        [network] = self.compose["networks"]["inside"]["ipam"]["config"]
        subnet, given = (ipaddress.ip_network(network[name]) for name in ("subnet", "ip_range"))
        fixed = ipaddress.ip_address(self.compose["services"]["nginx"]["networks"]["inside"]["ipv4_address"])
        self.assertTrue(given.subnet_of(subnet))
        self.assertIn(fixed, subnet)
        self.assertNotIn(fixed, given)


class Alerts(unittest.TestCase):
    def setUp(self):
        [rules] = read(DEPLOY / "prometheus/alerts.yml")
        [self.tests] = read(DEPLOY / "prometheus/alerts_test.yml")
        self.rules = [rule for group in rules["groups"] for rule in group["rules"]]

    def test_every_rule_fires_in_a_test_and_is_silent_in_a_healthy_hour(self):
        names = {rule["alert"] for rule in self.rules}
        checks = [check for test in self.tests["tests"] for check in test["alert_rule_test"]]
        self.assertEqual({check["alertname"] for check in checks if check["exp_alerts"]}, names)
        healthy = self.tests["tests"][0]
        self.assertIn("healthy hour", healthy["name"])
        silent = {check["alertname"] for check in healthy["alert_rule_test"] if check["eval_time"] == "1h" and not check["exp_alerts"]}
        self.assertEqual(silent, names)

    def test_every_rule_says_in_both_languages_what_is_wrong(self):
        for rule in self.rules:
            self.assertIn(rule["labels"]["severity"], ["critical", "warning"])
            self.assertTrue(rule["annotations"]["summary"] and rule["annotations"]["summary_zh"], rule["alert"])

    def test_every_rule_and_every_metric_is_documented(self):
        for page in ["deploy.md", "deploy.zh-CN.md"]:
            text = (DEPLOY.parent / "docs" / page).read_text(encoding="utf-8")
            for rule in self.rules:
                self.assertIn(f"`{rule['alert']}`", text, page)
        dashboard = (DEPLOY / "grafana/hongyan.json").read_text(encoding="utf-8")
        used = set(re.findall(r"\b(?:hongyan|process)_\w+", dashboard + " ".join(rule["expr"] for rule in self.rules)))
        for page in ["operations.md", "operations.zh-CN.md"]:
            text = (DEPLOY.parent / "docs" / page).read_text(encoding="utf-8")
            missing = [name for name in used if f"`{name.removesuffix('_bucket')}" not in text]
            self.assertEqual(missing, [], page)


class Dashboard(unittest.TestCase):
    def test_every_panel_has_a_title_in_both_languages_and_a_place(self):
        dashboard = json.loads((DEPLOY / "grafana/hongyan.json").read_text(encoding="utf-8"))
        taken = set()
        for panel in dashboard["panels"]:
            self.assertRegex(panel["title"], r"^[ -~]+ · .*[\u4e00-\u9fff]")
            place = panel["gridPos"]
            cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
            self.assertFalse(cells & taken, f"{panel['title']} overlaps another panel")
            self.assertLessEqual(place["x"] + place["w"], 24)
            taken |= cells
        self.assertEqual(len({panel["id"] for panel in dashboard["panels"]}), len(dashboard["panels"]))


if __name__ == "__main__":
    unittest.main()
