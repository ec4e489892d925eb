"""The shipped deployment: it names the profile production, and contains no tests."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_image_ships_no_tests() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {"tests", ".data", ".venv", ".git"} <= set(ignored)


@pytest.mark.parametrize("name", ["Dockerfile", *sorted(path.name for path in (ROOT / "deploy").glob("*.service"))])
def test_a_deployment_names_its_profile(name: str) -> None:
    # So that nothing in its data directory is ever taken for a developer's clone.
    assert "COUNTINGHOUSE_PROFILE=production" in (ROOT / "deploy" / name).read_text()


def test_only_migrations_and_backups_get_the_owners_login() -> None:
    # SQL that is smuggled into a request cannot read what its process never knew.
    units = {path.name: path.read_text() for path in (ROOT / "deploy").glob("*.service")}
    told = {name for name, text in units.items() if "owner-environment" in text}
    assert told == {f"countinghouse-{name}.service" for name in ("backup", "log", "prepare")}
    assert not [name for name in told if "granian" in units[name] or "config.serving" in units[name]]
    before, _, after = (ROOT / "deploy/compose.yaml").read_text().partition("  prepare:\n")
    of_prepare, _, of_others = after.partition("  web:\n")
    assert "DATABASE_OWNER_URL" in of_prepare
    assert "DATABASE_OWNER_URL" not in before + of_others


@pytest.mark.parametrize("name", ["Dockerfile", "countinghouse-web.service"])
def test_the_web_server_is_started_with_its_pools(name: str) -> None:
    text = (ROOT / "deploy" / name).read_text().replace('", "', " ")
    assert "python -m config.serving" in text


@pytest.mark.skipif(not shutil.which("nginx", path="/usr/sbin:/usr/bin"), reason="there is no nginx here")
@pytest.mark.parametrize("name", ["nginx.conf", "nginx-compose.conf", "nginx-compose-tls.conf"])
def test_nginx_accepts_the_configuration_of_the_site(name: str, tmp_path: Path) -> None:
    subject = ["-subj", "/CN=localhost", "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject], check=True, timeout=60)
    site = (ROOT / "deploy" / name).read_text()
    for given, ours in {
        "/etc/letsencrypt/live/countinghouse.example.com/fullchain.pem": "cert.pem",
        "/etc/letsencrypt/live/countinghouse.example.com/privkey.pem": "key.pem",
        "/etc/nginx/tls/fullchain.pem": "cert.pem",
        "/etc/nginx/tls/privkey.pem": "key.pem",
        "/var/log/nginx/countinghouse.log": "access.log",
    }.items():
        site = site.replace(given, str(tmp_path / ours))
    site = site.replace("/etc/nginx/nginx-countinghouse.conf", str(ROOT / "deploy" / "nginx-countinghouse.conf"))
    site = site.replace("server web:8000", "server 127.0.0.1:8000")
    whole = f"pid {tmp_path}/pid;\nerror_log {tmp_path}/log;\nevents {{}}\nhttp {{\n{site}\n}}\n"
    (tmp_path / "nginx.conf").write_text(whole)
    told = subprocess.run(
        ["/usr/sbin/nginx", "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-g", "daemon off;"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "test is successful" in told.stderr, told.stderr
