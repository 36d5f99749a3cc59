"""The configuration of a worker's Celery."""

import importlib
import ssl
from pathlib import Path

import pytest


def test_the_worker_consumes_its_engines_queues(project: Path) -> None:
    """Of messages to an engine alone, and to a group that it leads: on the default exchange, where no binding has to be
    made.
    """
    app = importlib.import_module("shared.app").app
    queues = app.amqp.queues.consume_from
    assert {name: (queue.exchange.name, queue.routing_key, queue.durable) for name, queue in queues.items()} == {
        name: ("", name, True)
        for name in ("engine.yara", "engine.group_yara", "engine.fileinfo", "engine.group_fileinfo")
    }
    assert app.conf.worker_concurrency == 3
    assert app.conf.task_acks_late is True
    assert app.conf.worker_cancel_long_running_tasks_on_connection_loss is False


@pytest.mark.parametrize("ca_certs", ["", "/etc/ssl/master.pem"])
def test_the_broker_is_verified_where_it_speaks_tls(project: Path, tmp_path: Path, ca_certs: str) -> None:
    """By the system's authorities or those of pillar, and by the name that it was called by."""
    text = (tmp_path / "worker.toml").read_text().replace("tls = false", "tls = true")
    (tmp_path / "worker.toml").write_text(text.replace('ca_certs = ""', f'ca_certs = "{ca_certs}"'))
    app = importlib.import_module("shared.app").app
    assert app.connection_for_write().ssl == {
        "cert_reqs": ssl.CERT_REQUIRED,
        "ca_certs": ca_certs or None,
        "server_hostname": "127.0.0.1",
    }


def test_a_worker_without_engines_says_so(project: Path, tmp_path: Path) -> None:
    """In one line."""
    text = (tmp_path / "worker.toml").read_text()
    (tmp_path / "worker.toml").write_text(text.partition("[engines")[0] + "[engines]\n")
    conf = importlib.import_module("shared.conf")
    with pytest.raises(conf.ConfError, match="names no engine"):
        importlib.import_module("workerceleryconfig")
