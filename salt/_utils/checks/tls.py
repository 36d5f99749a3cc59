"""Files for TLS that pillar names; a certificate of our own is renewed by the highstate."""

from collections.abc import Iterator

from checks.situation import Fault, Situation


def certificates(situation: Situation) -> Iterator[Fault]:
    """The master's certificate and key can be served."""
    given = situation.get("phagescan:tls") or {}
    if situation.master and given is not True and given.keys() >= {"certificate", "key"}:
        for what, reason in situation.certificate_faults(given["certificate"], given["key"]):
            yield Fault(f"phagescan:tls:{what}", reason)


def authority(situation: Situation) -> Iterator[Fault]:
    """A worker can verify the master."""
    worker = situation.get("phagescan:worker", {})
    verified = situation.get("phagescan:broker:tls") or worker.get("master_url", "").startswith("https:")
    if situation.worker and verified and "ca_certs" in worker:
        for reason in situation.authority_faults(worker["ca_certs"]):
            yield Fault("phagescan:worker:ca_certs", reason)


CHECKS = (certificates, authority)
