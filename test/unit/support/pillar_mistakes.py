"""Mistakes that show beside other keys, or on the host."""

from typing import Any

from pillars import ALL, BROKER, CAM, NODE, PATH, PROGRAM, REMOVED, SECRET, SITE, TLS, URL, ZONE, M, W

FILES = {"certificate": "/nowhere/certificate.pem", "key": "/nowhere/key.pem"}
OWN = "must be a directory of its own, such as /opt/phagescan"
GONE = "where what is not the application's is removed"

# As in schema_mistakes.py.
BETWEEN_KEYS: list[tuple[str, Any, str]] = [
    # Zones that there are not.
    (ZONE, "Europe/Berlni", "Europe/Berlni is not known here; did you mean Europe/Berlin?"),
    (ZONE, "europe/berlin", "europe/berlin is not known here; did you mean Europe/Berlin?"),
    (ZONE, "Europe", "Europe is not known here"),
    (ZONE, "Phobos", "Phobos is not known here; see /usr/share/zoneinfo"),
    # Keys that do not agree.
    (f"{M}:permissions:none", ALL, f"{M}:permissions: vhost none is not in rabbitmq:vhosts"),
    (f"{W}:least:none", ALL, f"{W}:least: vhost none is not in rabbitmq:vhosts"),
    (f"{M}:permissions", {}, "vhost phage is missing, where phagescan:broker logs in"),
    (f"{W}:permissions", REMOVED, "vhost phage is missing, where phagescan:broker logs in"),
    (f"{M}:permissions:phage", ["(", ".*", ".*"], "configure is no regular expression: missing )"),
    (f"{M}:permissions:phage", [".*", "*", ".*"], "write is no regular expression: nothing to repeat"),
    (f"{W}:least:phage", [".*", ".*", "[a-"], "read is no regular expression: unterminated character set"),
    ("rabbitmq:policies", {"none": {}}, "rabbitmq:policies:none: is not in rabbitmq:vhosts"),
    (
        "rabbitmq:policies",
        {"phage": {"p": {"pattern": "(", "definition": {}}}},
        "rabbitmq:policies:phage:p:pattern: is no regular expression: missing )",
    ),
    ("rabbitmq:absent:users", ["phagemasteruser"], "phagemasteruser is in rabbitmq:users, too; take it out of one"),
    ("rabbitmq:absent:vhosts", ["phage"], "phage is in rabbitmq:vhosts, too; take it out of one"),
    ("phagescan:broker:master", "nobody", "nobody is not in rabbitmq:users"),
    ("phagescan:broker:vhost", "none", "none is not in rabbitmq:vhosts"),
    ("phagescan:database:name", "none", "none is not in postgresql:databases"),
    ("postgresql:databases:phage:owner", "nobody", "nobody is not in postgresql:roles"),
    ("phagescan:source", "salt://phagescn", "there is no salt://phagescn in this checkout"),
    ("phagescan:engines:sorcery", {}, "there is no engines/sorcery.py in salt://phagescan"),
    ("gunicorn:application", "scaggr.wsgy", "there is no scaggr/wsgy.py in salt://phagescan"),
    ("gunicorn:application", "sagger.wsgi:application", "there is no sagger/wsgi.py in salt://phagescan"),
    ("gunicorn:application", REMOVED, "there is no app/wsgi.py in salt://phagescan"),
    ("celery:workers:celeryd-master:config", "masterceleryconf", "there is no masterceleryconf.py in salt://phagescan"),
    (f"{NODE}:config", "worker.config", "there is no worker/config.py in salt://phagescan"),
    (
        "celery:workers:more",
        {"config": "nothing", "hostname": "x"},
        "celery:workers:more:config: there is no nothing.py",
    ),
    ("gunicorn:user", "root", "must not be root: what runs here reads strangers' files"),
    ("celery:user", "root", "must not be root: what runs here reads strangers' files"),
    ("celery:workers:celeryd-result:user", "root", "must not be root: what runs here reads strangers' files"),
    (f"{NODE}:user", "avuser", "must be a user of its own, which cannot read what is the master's"),
    (f"{NODE}:user", "root", "must be a user of its own, which cannot read what is the master's"),
    (f"{NODE}:group", "avuser", "must be a group of its own, which cannot read what is the master's"),
    (f"{NODE}:group", "root", "must be a group of its own, which cannot read what is the master's"),
    ("nginx:tls", "shop.tls", "must be a mapping, not text"),
    ("rabbitmq:tls", {"cert": "/a"}, "rabbitmq:tls:cert: is not a key; keys: certificate, key"),
    ("nginx:tls_port", 0, "must be a whole number from 1 to 65535, not 0"),
    (f"{NODE}:role", "wroker", "wroker is not a role; roles: master, worker"),
    (f"{NODE}:hostname", "master.master", "is that of celery:workers:celeryd-master, too; give each node a name"),
    (
        f"{SITE}:static:/s/",
        "/var/lib/phagescan/",
        "must not show /var/lib/phagescan/samples, which must stay private",
    ),
    (f"{SITE}:static:/l/", "/var/log/phagescan/", "must not show /var/log/phagescan, which must stay private"),
    (f"{SITE}:static:/c/", "/etc/phagescan/", "must not show /etc/phagescan, which must stay private"),
    (
        f"{SITE}:uploads:client_max_body_size",
        "100k",
        "must let phagescan:scan:max_size through, 100 MiB, and is 100k; make it 101m",
    ),
    (
        f"{SITE}:uploads:client_max_body_size",
        1000,
        "must let phagescan:scan:max_size through, 100 MiB, and is 1000; make it 101m",
    ),
    (
        "phagescan:scan:max_size",
        102,
        f"{SITE}:uploads:client_max_body_size: must let phagescan:scan:max_size through, 102 MiB",
    ),
    ("phagescan:engines:yara:timeout", 1801, "must not be above phagescan:scan:expires, 1800, and is 1801"),
    (
        "rabbitmq:consumer_timeout",
        60000,
        "phagescan:engines:fileinfo:timeout: must be below rabbitmq:consumer_timeout, 60000 ms",
    ),
    # Ports.
    ("rabbitmq:port", 5432, "postgresql:port: port 5432 is that of rabbitmq:port; choose another"),
    ("rabbitmq:port", 9000, "gunicorn:bind: port 9000 is that of rabbitmq:port; choose another"),
    ("rabbitmq:port", 80, f"{SITE}:listen: port 80 is that of rabbitmq:port; choose another"),
    ("rabbitmq:port", 4369, "port 4369 is that of Erlang's epmd; choose another"),
    ("rabbitmq:port", 25672, "port 25672 is that of RabbitMQ's distribution; choose another"),
    (f"{SITE}:listen", 9000, "port 9000 is that of gunicorn:bind; choose another"),
    (f"{SITE}:listen", "127.0.0.1:5432", "port 5432 is that of postgresql:port; choose another"),
    (f"{SITE}:listen", "[::]:5672", "port 5672 is that of rabbitmq:port; choose another"),
    ("rabbitmq:listen", "192.0.2.1", "phagescan:broker:host: the broker does not listen there, but on 192.0.2.1"),
    (BROKER, "192.0.2.1", "the broker does not listen there, but on 127.0.0.1 (rabbitmq:listen)"),
    (BROKER, "127.0.0.2", "the broker does not listen there, but on 127.0.0.1 (rabbitmq:listen)"),
    (BROKER, "::1", "the broker does not listen there, but on 127.0.0.1 (rabbitmq:listen)"),
    (URL, "http://127.0.0.1:9001", "nothing listens there; take it out: it then is what nginx listens on"),
    (URL, "http://master:70000", "has no port from 1 to 65535, but 70000"),
    # TLS.
    (TLS, True, "must be false, {self_signed: true}, or"),
    (f"{TLS}:self_signed", "yes", "must be true or false, not text"),
    (f"{TLS}:selfsigned", True, "is not a key; did you mean self_signed?"),
    (f"{TLS}:cert", "/etc/ssl/a.pem", "is not a key; keys: certificate, key, self_signed"),
    (TLS, {"certificate": "/etc/ssl/a.pem"}, f"{TLS}:key: is missing; it belongs to phagescan:tls:certificate"),
    (TLS, {"key": "/etc/ssl/a.pem"}, f"{TLS}:certificate: is missing; it belongs to phagescan:tls:key"),
    (TLS, {"certificate": "a.pem", "key": "/a.pem"}, f"{TLS}:certificate: {PATH}, not a.pem"),
    (TLS, {"certificate": "/a.pem", "key": 1}, f"{TLS}:key: must be text, not a whole number"),
    ("rabbitmq:tls_port", 70000, "must be a whole number from 1 to 65535, not 70000"),
    (
        "phagescan:broker:tls",
        True,
        "is for workers on other hosts: a master reaches its broker on 127.0.0.1; take it out",
    ),
    ("phagescan:worker:ca_certs", "master.pem", f"{PATH}, not master.pem"),
    # Directories.
    ("phagescan:scan:sample_root", "/var/lib/postgresql/samples", f"{OWN}, not /var/lib/postgresql/samples"),
    ("phagescan:scan:sample_root", "/home/joe", f"{OWN}, not /home/joe"),
    ("phagescan:scan:sample_root", "/opt/phagescan/samples", f"must not be in phagescan:root, /opt/phagescan, {GONE}"),
    (
        "phagescan:scan:sample_root",
        "/opt/phagescan-venv",
        f"must not be in phagescan:virtualenv, /opt/phagescan-venv, {GONE}",
    ),
    # Passwords.
    (f"{M}:password", REMOVED, "is missing; it belongs in pillar/credentials.sls"),
    (f"{M}:password", "", "is missing; it belongs in pillar/credentials.sls"),
    (f"{M}:password", "shorter-110", "is shorter than 12 characters"),
    (f"{M}:password", "longmasterpassword", "is the sample password; choose another"),
    ("postgresql:roles:citestsuper:password", "sup3rdup3r", "is the sample password; choose another"),
    ("postgresql:roles:citestsuper:password", "-" + SECRET, "starts with '-', which tools take for an option"),
    ("phagescan:admin:password", SECRET + "\n", "holds a control character or one that is not ASCII"),
    ("phagescan:admin:password", SECRET + "\0", "holds a control character or one that is not ASCII"),
    ("phagescan:admin:password", SECRET + "\u00e4", "holds a control character or one that is not ASCII"),
    ("phagescan:secret_key", SECRET, "is shorter than 50 characters"),
    ("rabbitmq:users:other", {}, "rabbitmq:users:other:password: is missing; it belongs in pillar/credentials.sls"),
]

# What is wrong in more than one place, and where that is reported.
SEVERAL: list[tuple[dict[str, Any], set[str]]] = [
    (
        {"phagescan:worker:user": "root", f"{NODE}:user": REMOVED, f"{NODE}:group": REMOVED},
        {"phagescan:worker:user"},
    ),
    (
        {"phagescan:user": "root", "gunicorn:user": REMOVED, "celery:user": REMOVED, f"{CAM}:user": REMOVED},
        {"phagescan:user"},
    ),
    ({"phagescan:static_root": "/srv"}, {"phagescan:static_root"}),
    ({"phagescan:static_root": "/opt/phagescan/static"}, {"phagescan:static_root"}),
    ({M: None, "rabbitmq:port": "x", f"{W}:tags": "x"}, {M, "rabbitmq:port", f"{W}:tags"}),
    ({"rabbitmq:users": "phage", "nginx:sites": []}, {"rabbitmq:users", "nginx:sites"}),
    ({"rabbitmq:users": {404: {}}}, {"rabbitmq:users:404", "phagescan:broker:master", "phagescan:broker:worker"}),
    (
        {"supervisord:programs:x:y": {}},
        {"supervisord:programs:x:y", *(f"supervisord:programs:x:{key}" for key in PROGRAM)},
    ),
    (
        {"supervisord:programs:all": {}},
        {"supervisord:programs:all", *(f"supervisord:programs:all:{key}" for key in PROGRAM)},
    ),
    ({"supervisord:programs": {"celerycma": {}}}, {CAM, *(f"supervisord:programs:celerycma:{key}" for key in PROGRAM)}),
    ({BROKER: "192.0.2.1", "rabbitmq:listen": "192.0.2.2"}, {BROKER}),
    ({BROKER: "192.0.2.1", "rabbitmq:listen": "nowhere"}, {"rabbitmq:listen"}),
    ({f"{CAM}:user": "root"}, {f"{CAM}:user"}),
    ({"phagescan:root": "/"}, {"phagescan:root"}),
    (
        dict.fromkeys(("phagescan:root", "gunicorn:chdir", "celery:chdir", f"{CAM}:directory"), "/etc"),
        {"phagescan:root"},
    ),
    (
        dict.fromkeys(("phagescan:root", "gunicorn:chdir", "celery:chdir", f"{CAM}:directory"), "/srv/all")
        | dict.fromkeys(("phagescan:log_dir", "gunicorn:log_dir", "celery:log_dir"), "/srv/all/log")
        | {"phagescan:scan:sample_root": "/srv/all/samples"},
        {"phagescan:log_dir", "phagescan:scan:sample_root"},
    ),
    (
        {
            "rabbitmq:port": 80,
            "gunicorn:bind": "127.0.0.1:80",
            f"{SITE}:proxy": "127.0.0.1:80",
            URL: "http://127.0.0.1",
        },
        {"gunicorn:bind", f"{SITE}:listen"},
    ),
    (
        {"phagescan:secret_key": "short", "phagescan:admin:password": "short"},
        {"phagescan:secret_key", "phagescan:admin:password"},
    ),
]
# With TLS, and a broker that other hosts reach.
WITH_TLS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"rabbitmq:listen": "192.0.2.1"}, []),
    ({"rabbitmq:listen": "127.0.0.1", "rabbitmq:tls_port": 9000}, []),
    (
        {TLS: {"self_signed": True} | FILES},
        [
            f"{TLS}:self_signed: is beside a certificate or key of yours; take out one or the other",
            f"{TLS}:certificate: /nowhere/certificate.pem: No such file or directory",
            f"{TLS}:key: /nowhere/key.pem: No such file or directory",
        ],
    ),
    (
        {TLS: FILES},
        [
            f"{TLS}:certificate: /nowhere/certificate.pem: No such file or directory",
            f"{TLS}:key: /nowhere/key.pem: No such file or directory",
        ],
    ),
    ({f"{SITE}:listen": 443}, [f"{SITE}:listen: port 443 is that of nginx:tls_port; choose another"]),
    ({"rabbitmq:port": 443}, ["rabbitmq:port: port 443 is that of nginx:tls_port; choose another"]),
    ({"rabbitmq:tls_port": 5672}, ["rabbitmq:tls_port: port 5672 is that of rabbitmq:port; choose another"]),
    ({"rabbitmq:port": 5671}, ["rabbitmq:tls_port: port 5671 is that of rabbitmq:port; choose another"]),
    ({"rabbitmq:tls_port": 443}, ["rabbitmq:tls_port: port 443 is that of nginx:tls_port; choose another"]),
    ({"rabbitmq:tls_port": 5432}, ["postgresql:port: port 5432 is that of rabbitmq:tls_port; choose another"]),
    (
        {
            "nginx:sites:shop": {
                "listen": 81,
                "server_name": "_",
                "proxy": "[::1]:1",
                "static": {},
                "client_max_body_size": 1,
            }
        },
        ["nginx:sites:shop:server_name: _ is that of nginx:sites:phagescan, on the same port"],
    ),
    ({URL: "http://127.0.0.1:9000"}, []),
    (
        {"phagescan:broker:host": "192.0.2.1"},
        ["phagescan:broker:host: must be 127.0.0.1: with phagescan:tls AMQP is there, and AMQPS on 192.0.2.1"],
    ),
    ({"phagescan:roles": "worker", "phagescan:broker:tls": True, URL: "https://master"}, []),
    (
        {"phagescan:roles": "worker", "phagescan:broker:tls": True, URL: "http://master"},
        [f"{URL}: must begin with https://: where the broker speaks TLS (phagescan:broker:tls), the master does"],
    ),
    (
        {"phagescan:roles": "worker", URL: "https://master", "phagescan:worker:ca_certs": "/nowhere/ca.pem"},
        ["phagescan:worker:ca_certs: /nowhere/ca.pem: is not there"],
    ),
]
