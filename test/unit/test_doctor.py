"""Mistakes of a pillar, by hand and generated: each is refused, with its key, before the host is touched."""

import copy
import importlib.util
import json
import string
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from salt.utils import dictupdate

ROOT = Path(__file__).parents[2]
REMOVED = object()
SECRET = "unit-secret-0123456789"
M, W = "rabbitmq:users:phagemasteruser", "rabbitmq:users:phageworkeruser"
SITE, CAM, NODE = "nginx:sites:phagescan", "supervisord:programs:celerycam", "celery:workers:celeryd"
URL, TLS = "phagescan:worker:master_url", "phagescan:tls"
BROKER, ZONE = "phagescan:broker:host", "phagescan:time_zone"
FILES = {"certificate": "/nowhere/certificate.pem", "key": "/nowhere/key.pem"}
OPEN = {"phagescan:tls": {"self_signed": True}, "rabbitmq:listen": "0.0.0.0"}
ALL = [".*", ".*", ".*"]
PATH = "must be an absolute path, without / at its end"
USER = "must be a name of a-z, 0-9, _ and -"
NAME = "text without blanks and colons that does not begin with -"
OWN = "must be a directory of its own, such as /opt/phagescan"
MODULE = "must be a module's name"
ENVIRONMENT = 'must be a number, or text on one line without ", \\, $, ` and %, which shells and units read otherwise'
PROGRAM = ("command", "user", "directory", "environment", "logfile")
GONE = "where what is not the application's is removed"

# Key, what it is set to, and what is said of it (or the whole line, where that begins with another key).
MISTAKES: list[tuple[str, Any, str]] = [
    # Names of keys.
    ("rabitmq", {}, "is not a key; did you mean rabbitmq?"),
    ("supervisor", {}, "is not a key; did you mean supervisord?"),
    ("postgres", {}, "is not a key; did you mean postgresql?"),
    ("rabbitmq:vhost", ["phage"], "is not a key; did you mean vhosts?"),
    ("rabbitmq:prot", 5672, "is not a key; did you mean port?"),
    ("rabbitmq:last_privilege", True, "is not a key; did you mean least_privilege?"),
    ("rabbitmq:absent:user", [], "is not a key; did you mean users?"),
    (f"{M}:pasword", SECRET, "is not a key; did you mean password?"),
    (f"{M}:permission", {}, "is not a key; did you mean permissions?"),
    (f"{M}:tag", [], "is not a key; did you mean tags?"),
    (f"{M}:zzz", 1, "is not a key; keys: password, tags, permissions, least"),
    ("postgresql:role", {}, "is not a key; did you mean roles?"),
    ("postgresql:roles:citestsuper:createDB", True, "is not a key; did you mean createdb?"),
    ("postgresql:databases:phage:extension", ["hstore"], "is not a key; did you mean extensions?"),
    ("nginx:site", {}, "is not a key; did you mean sites?"),
    (f"{SITE}:servername", "_", "is not a key; did you mean server_name?"),
    (f"{SITE}:client_max_size", "1m", "is not a key; did you mean client_max_body_size?"),
    ("gunicorn:worker", 2, "is not a key; did you mean workers?"),
    ("gunicorn:logdir", "/var/log/x", "is not a key; did you mean log_dir?"),
    (f"{NODE}:host_name", "x", "is not a key; did you mean hostname?"),
    (f"{NODE}:enviroment", {}, "is not a key; did you mean environment?"),
    (f"{CAM}:comand", "/bin/true", "is not a key; did you mean command?"),
    ("phagescan:rols", ["master"], "is not a key; did you mean roles?"),
    ("phagescan:broker:hosts", "127.0.0.1", "is not a key; did you mean host?"),
    ("phagescan:scan:maxsize", 5, "is not a key; did you mean max_size?"),
    ("phagescan:admin:name", "x", "is not a key; keys: user, password"),
    ("phagescan:worker:concurency", 1, "is not a key; did you mean concurrency?"),
    ("phagescan:404", 1, "is not a key; keys: "),
    # What YAML makes of a blank that is missing may be a password.
    (f"{M}:password={SECRET}", None, f"{M}:?: is a name without a value, not told here; put a blank after each colon"),
    (
        "phagescan:admin:" + SECRET,
        None,
        "phagescan:admin:?: is a name without a value, not told here; put a blank after each colon",
    ),
    # Names that are something else, or are read otherwise.
    ("rabbitmq:users:user", {"password": SECRET}, "cannot be its name: it is the heading of `rabbitmqctl list_users`"),
    ("rabbitmq:vhosts", ["phage", "name"], "rabbitmq:vhosts:name: cannot be its name: it is the heading of"),
    ("rabbitmq:vhosts", ["phage", "vhost"], "rabbitmq:vhosts:vhost: cannot be its name: it is the heading of"),
    ("rabbitmq:vhosts", ["phage", "-p"], f"rabbitmq:vhosts:1: must be {NAME}, not -p"),
    ("rabbitmq:vhosts", ["phage", ""], f"rabbitmq:vhosts:1: must be {NAME}, not ''"),
    ("rabbitmq:vhosts", ["phage", "a b"], f"rabbitmq:vhosts:1: must be {NAME}, not a b"),
    ("rabbitmq:vhosts", ["phage", "a\n"], f"rabbitmq:vhosts:1: must be {NAME}, not 'a\\n'"),
    ("rabbitmq:vhosts", ["phage", 404], "rabbitmq:vhosts:1: must be text, not a whole number; put it in quotes"),
    ("rabbitmq:vhosts", ["phage", True], "rabbitmq:vhosts:1: must be text, not true or false; put it in quotes"),
    ("rabbitmq:users:-x", {"password": SECRET}, f"is not {NAME}"),
    ("rabbitmq:users:a\tb", {"password": SECRET}, f"rabbitmq:users:'a\\tb': is not {NAME}"),
    ("rabbitmq:users:", {"password": SECRET}, f"rabbitmq:users:'': is not {NAME}"),
    ("rabbitmq:policies", {True: {}}, "rabbitmq:policies:True: is true or false, not text; put it in quotes"),
    ("postgresql:roles:postgres", {"password": SECRET}, "cannot be its name: it is the superuser"),
    ("postgresql:roles:public", {"password": SECRET}, "cannot be its name: PostgreSQL means every role by it"),
    ("postgresql:roles:none", {"password": SECRET}, "cannot be its name: PostgreSQL means no role by it"),
    ("postgresql:roles:pg_x", {"password": SECRET}, "cannot be its name: PostgreSQL keeps pg_ for its own"),
    ("postgresql:roles:" + "r" * 64, {"password": SECRET}, "is not a name of up to 63 letters"),
    ("postgresql:databases:template0", {"owner": "citestsuper"}, "cannot be its name: nothing may connect to it"),
    ("postgresql:databases:replication", {"owner": "citestsuper"}, "cannot be its name: pg_hba.conf means something else"),
    ("postgresql:databases:a b", {"owner": "citestsuper"}, "is not a name of up to 63 letters"),
    ("nginx:sites:../x", {}, "is not a name that begins with a letter"),
    ("celery:workers:nginx", {"config": "scaggr", "hostname": "x"}, "cannot be its name: it is the name of another service"),
    ("celery:workers:a/b", {"config": "x", "hostname": "x"}, "is not a name that begins with a letter"),
    ("celery:workers:a.b", {"config": "x", "hostname": "x"}, "is not a name that begins with a letter"),
    # Kinds.
    ("rabbitmq", None, "must be a mapping, not nothing"),
    ("rabbitmq", ["phage"], "must be a mapping, not a list"),
    ("nginx", "phagescan", "must be a mapping, not text"),
    ("rabbitmq:vhosts", "phage", "must be a list, not text"),
    ("rabbitmq:users", ["phagemasteruser"], "must be a mapping, not a list"),
    (M, SECRET, "must be a mapping, not text"),
    (f"{M}:tags", "administrator", "must be a list, not text"),
    (f"{M}:permissions", ["phage"], "must be a mapping, not a list"),
    (f"{M}:permissions:phage", ".*", "must be a list, not text"),
    (f"{M}:permissions:phage", ALL[:2], "must be [configure, write, read], not a list of 2"),
    (f"{M}:permissions:phage", [*ALL, ".*"], "must be [configure, write, read], not a list of 4"),
    (f"{M}:permissions:phage", [".*", None, ".*"], f"{M}:permissions:phage:1: must be text, not nothing"),
    ("rabbitmq:port", "5672", "must be a whole number, not text"),
    ("rabbitmq:port", 5672.5, "must be a whole number, not a number"),
    ("rabbitmq:port", True, "must be a whole number, not true or false"),
    ("rabbitmq:least_privilege", "yes", "must be true or false, not text"),
    ("rabbitmq:absent", ["guest"], "must be a mapping, not a list"),
    ("rabbitmq:absent:users", "guest", "must be a list, not text"),
    ("postgresql:roles:citestsuper", None, "must be a mapping, not nothing"),
    ("postgresql:roles:citestsuper:createdb", "false", "must be true or false, not text"),
    ("postgresql:databases:phage:extensions", "hstore", "must be a list, not text"),
    ("postgresql:version", 9.6, "must be text or a whole number, not a number"),
    ("gunicorn:workers", True, "must be a whole number, not true or false"),
    ("gunicorn:environment", ["A=b"], "must be a mapping, not a list"),
    ("celery:options", "--without-gossip", "must be a list, not text"),
    (f"{NODE}:beat", 1, "must be true or false, not a whole number"),
    (f"{NODE}:unit", "", "must be a mapping, not text"),
    ("phagescan:allowed_hosts", "example.org", "must be a list, not text"),
    ("phagescan:engines", ["yara"], "must be a mapping, not a list"),
    ("phagescan:engines:fileinfo", None, "must be a mapping, not nothing"),
    ("phagescan:engines:fileinfo:timeout", "60", "must be a whole number, not text"),
    ("phagescan:engines:fileinfo:path", {}, "must be text, a number, true or false or a list, not a mapping"),
    ("phagescan:engines:yara:rules", "rule x {}", "must be a mapping, not text"),
    (f"{M}:password", 123456789012345678, "must be text, not a whole number; put it in quotes"),
    ("phagescan:secret_key", None, "must be text, not nothing"),
    # Ranges, and values of which there are only some.
    ("rabbitmq:port", 0, "must be a whole number from 1 to 65535, not 0"),
    ("rabbitmq:port", 65536, "must be a whole number from 1 to 65535, not 65536"),
    ("rabbitmq:consumer_timeout", 3600, "must be a whole number from 60000 up, not 3600"),
    (f"{M}:tags", ["adminstrator"], f"{M}:tags:0: must be administrator, monitoring, policymaker, management or impersonator"),
    ("rabbitmq:policies", {"phage": {"p": {"pattern": "x"}}}, "rabbitmq:policies:phage:p:definition: is missing"),
    (
        "rabbitmq:policies",
        {"phage": {"p": {"pattern": "x", "definition": {}, "apply-to": "queue"}}},
        "rabbitmq:policies:phage:p:apply-to: must be all, queues, classic_queues, quorum_queues, streams or exchanges",
    ),
    ("gunicorn:workers", 0, "must be a whole number from 1 up, not 0"),
    ("gunicorn:threads", -1, "must be a whole number from 1 up, not -1"),
    ("gunicorn:timeout", 0, "must be a whole number from 1 up, not 0"),
    ("celery:loglevel", "verbose", "must be debug, info, warning, error, critical or fatal, not verbose"),
    ("phagescan:mode", "debug", "must be production or development, not debug"),
    ("phagescan:roles", "butler", "must be master, worker or a list of them, not butler"),
    ("phagescan:roles", [], "must be master, worker or a list of them, not a list of 0"),
    ("phagescan:roles", ["master", "slave"], "phagescan:roles:1: must be master or worker, not slave"),
    ("phagescan:scan:max_size", 0, "must be a whole number from 1 to 102400, not 0"),
    ("phagescan:scan:expires", -5, "must be a whole number from 1 up, not -5"),
    ("phagescan:worker:concurrency", 0, "must be a whole number from 1 to 1024, not 0"),
    ("phagescan:engines:yara:memory", 0, "must be a whole number from 1 up, not 0"),
    # Forms.
    ("rabbitmq:node", "rabbit", "must be <name>@<host>, not rabbit"),
    ("rabbitmq:listen", "300.1.1.1", "must be an IP address, not 300.1.1.1"),
    ("rabbitmq:listen", "127.0.0.1:5672", "must be an IP address, not 127.0.0.1:5672"),
    ("rabbitmq:listen", "everywhere", "must be an IP address, not everywhere"),
    ("postgresql:version", "latest", "must be a major version, such as '17', not latest"),
    ("postgresql:databases:phage:extensions", ["Hstore;"], "postgresql:databases:phage:extensions:0: must be the name of an"),
    (f"{SITE}:listen", "http", "must be a port, or address:port, not http"),
    (f"{SITE}:listen", 70000, "must be a port, or address:port, not 70000"),
    (f"{SITE}:listen", "0.0.0.0:70000", "has no port from 1 to 65535, but 70000"),
    (f"{SITE}:server_name", "a;b", "must be names, with blanks between, not a;b"),
    (f"{SITE}:client_max_body_size", "10 MB", "must be a size, such as 10m, not 10 MB"),
    (f"{SITE}:error_pages", {"4xx": "/x"}, f"{SITE}:error_pages:4xx: is not HTTP codes from 300 to 599"),
    (f"{SITE}:error_pages", {200: "/x"}, f"{SITE}:error_pages:200: is not HTTP codes from 300 to 599"),
    (f"{SITE}:error_pages", {404: "x.html"}, f"{SITE}:error_pages:404: must be a location, which begins with /, not x.html"),
    (f"{SITE}:static", {"/s": "/srv/s/"}, f"{SITE}:static:/s: is not a path that begins and ends with /"),
    (f"{SITE}:static", {"/s/": "/srv/s"}, f"{SITE}:static:/s/: must be a path that begins and ends with /, not /srv/s"),
    (f"{SITE}:limit_req:rate", "30", "must be a rate, such as 30r/m, not 30"),
    (f"{SITE}:limit_req:rate", "0r/s", "must be a rate, such as 30r/m, not 0r/s"),
    (f"{SITE}:limit_req:rate", REMOVED, "is missing; it must be a rate, such as 30r/m"),
    (f"{SITE}:limit_req:burst", -1, "must be a whole number from 0 up, not -1"),
    (f"{SITE}:limit_req:brust", 5, "is not a key; did you mean burst?"),
    (f"{SITE}:limit_req:uris", ["login"], f"{SITE}:limit_req:uris:0: must be a location, which begins with /, not login"),
    (f"{SITE}:limit_req:uris", "/login/", "must be a list, not text"),
    (f"{SITE}:proxy", REMOVED, "is missing; it must be address:port"),
    ("gunicorn:application", "scaggr/wsgi.py", "must be module, or module:callable, not scaggr/wsgi.py"),
    ("gunicorn:environment:A-B", "x", "is not a variable's name"),
    ("gunicorn:environment:A", "x\ny", "must be text on one line, or a number, not 'x\\ny'"),
    ("celery:environment:A", 'say "x"', f'{ENVIRONMENT}, not say "x"'),
    ("celery:environment:A", "50%", f"{ENVIRONMENT}, not 50%"),
    ("celery:environment:A", True, "must be text or a number, not true or false"),
    (f"{NODE}:config", "worker-config", f"{MODULE}, not worker-config"),
    (f"{NODE}:config", REMOVED, f"is missing; it {MODULE}"),
    (f"{NODE}:hostname", "scan @h", "must be a node's name, without blanks and quotes, not scan @h"),
    (f"{NODE}:options", ["--x='a'"], f"{NODE}:options:0: must be text on one line without quotes, \\, $ and `, not --x='a'"),
    (f"{NODE}:unit:umask", "0077", "is not a directive of systemd"),
    (f"{NODE}:unit:UMask", "0077\nUser=root", "must be text on one line, a number, true or false, not '0077\\nUser=root'"),
    ("celery:roles", "phagescan roles", "must be an execution function, not phagescan roles"),
    (f"{CAM}:command", "celery", "must be a command on one line that begins with /"),
    (f"{CAM}:command", "/opt/phagescan-venv/bin/celery ; true", "must be a command on one line that begins with /"),
    (f"{CAM}:logfile", "celerycam.log", f"{PATH}, not celerycam.log"),
    (f"{CAM}:directory", REMOVED, f"is missing; it {PATH}"),
    (f"{CAM}:environment:A", "%(ENV_X)s", "must be a number, or text on one line without"),
    ("phagescan:root", "opt/phagescan", f"{PATH}, not opt/phagescan"),
    ("phagescan:root", "/opt/phagescan/", f"{PATH}, not /opt/phagescan/"),
    ("phagescan:root", "/opt/../etc/x", f"{PATH}, not /opt/../etc/x"),
    ("phagescan:user", "Av User", f"{USER}, not Av User"),
    ("phagescan:source", "/srv/phagescan", "must be a directory below salt://, not /srv/phagescan"),
    ("phagescan:time_zone", "UTC+1 ", "must be a time zone, such as Europe/Berlin, not UTC+1 "),
    ("phagescan:allowed_hosts", ["example.org:80"], "phagescan:allowed_hosts:0: must be a host's name without a port"),
    (
        "phagescan:admin:user",
        "-admin",
        "must be a name of letters, digits, _, ., @ and + that does not begin with -, not -admin",
    ),
    ("phagescan:worker:master_url", "scan-master", "must be http://<host> or https://<host>, without a login"),
    ("phagescan:worker:master_url", f"http://x:{SECRET}@h", "must be http://<host> or https://<host>, without a login"),
    ("phagescan:worker:master_url", "http://h/?x", "must be http://<host> or https://<host>, without a login"),
    ("phagescan:broker:host", "127.0.0.1:5672", "must be a host's name or address, not 127.0.0.1:5672"),
    ("phagescan:engines:Yara", {}, "is not a lower-case name of a module in engines/"),
    (
        "phagescan:engines:yara:rules",
        {"a/b": "x"},
        "phagescan:engines:yara:rules:a/b: is not a name of letters, digits, _ and -",
    ),
    ("phagescan:broker:worker", REMOVED, "is missing; it must be a name"),
    ("phagescan:broker:master", REMOVED, "is missing; see phagescan.sls in pillar/"),
    ("phagescan:database:host", REMOVED, "is missing; see phagescan.sls in pillar/"),
    ("phagescan:allowed_hosts", REMOVED, "is missing; see phagescan.sls in pillar/"),
    ("phagescan:time_zone", REMOVED, "is missing; see phagescan.sls in pillar/"),
    ("phagescan:engines", REMOVED, "is missing; see phagescan.sls in pillar/"),
    (CAM, REMOVED, "is missing; see supervisord.sls in pillar/"),
    ("supervisord", REMOVED, f"{CAM}: is missing; see supervisord.sls in pillar/"),
    ("supervisord:programs", REMOVED, f"{CAM}: is missing; see supervisord.sls in pillar/"),
    ("supervisord:programs", {}, f"{CAM}: is missing; see supervisord.sls in pillar/"),
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
    ("phagescan:database:user", "nobody", "nobody is not in postgresql:roles"),
    ("phagescan:database:name", "none", "none is not in postgresql:databases"),
    ("postgresql:databases:phage:owner", "nobody", "nobody is not in postgresql:roles"),
    ("phagescan:source", "salt://phagescn", "there is no salt://phagescn in this checkout"),
    ("phagescan:engines:sorcery", {}, "there is no engines/sorcery.py in salt://phagescan"),
    ("gunicorn:application", "scaggr.wsgy", "there is no scaggr/wsgy.py in salt://phagescan"),
    ("gunicorn:application", "sagger.wsgi:application", "there is no sagger/wsgi.py in salt://phagescan"),
    ("gunicorn:application", REMOVED, "there is no app/wsgi.py in salt://phagescan"),
    ("celery:workers:celeryd-master:config", "masterceleryconf", "there is no masterceleryconf.py in salt://phagescan"),
    (f"{NODE}:config", "worker.config", "there is no worker/config.py in salt://phagescan"),
    ("celery:workers:more", {"config": "nothing", "hostname": "x"}, "celery:workers:more:config: there is no nothing.py"),
    ("gunicorn:group", "www-data", "must be the same as phagescan:user, avuser, not www-data"),
    ("gunicorn:group", REMOVED, "must be the same as phagescan:user, avuser, not None"),
    ("celery:group", "adm", "must be the same as phagescan:user, avuser, not adm"),
    (f"{NODE}:group", "avuser", "must be the same as phagescan:worker:user, avscan, not avuser"),
    (f"{NODE}:group", REMOVED, "must be the same as phagescan:worker:user, avscan, not None"),
    ("celery:workers:celeryd-result:group", "adm", "must be the same as phagescan:user, avuser, not adm; leave it out"),
    ("celery:workers:celeryd-result:user", "avscan", "must be the same as phagescan:user, avuser, not avscan; leave it out"),
    (f"{NODE}:role", "wroker", "wroker is not a role; roles: master, worker"),
    (f"{NODE}:hostname", "master.master", "is that of celery:workers:celeryd-master, too; give each node a name"),
    ("celery:roles", REMOVED, "must be phagescan.roles, which knows the roles of celery:workers"),
    ("celery:mode_key", "phagescan:mod", "must be phagescan:mode, not phagescan:mod"),
    ("supervisord:mode_key", "mode", "must be phagescan:mode, not mode"),
    (f"{CAM}:directory", "/opt/other", "must be the same as phagescan:root, /opt/phagescan, not /opt/other"),
    (f"{CAM}:command", "/usr/bin/celery", "must begin with /opt/phagescan-venv/bin/, of phagescan:virtualenv"),
    (
        f"{SITE}:static:/static/",
        "/srv/static/",
        "must be /var/lib/phagescan/static/, of phagescan:static_root, not /srv/static/",
    ),
    (f"{SITE}:static:/s/", "/var/lib/phagescan/", "must not show /var/lib/phagescan/samples, which is nobody's to read"),
    (f"{SITE}:static:/l/", "/var/log/phagescan/", "must not show /var/log/phagescan, which is nobody's to read"),
    (f"{SITE}:static:/c/", "/etc/phagescan/", "must not show /etc/phagescan, which is nobody's to read"),
    (f"{SITE}:client_max_body_size", "100k", "must let phagescan:scan:max_size through, 100 MiB, and is 100k; make it 101m"),
    (f"{SITE}:client_max_body_size", 1000, "must let phagescan:scan:max_size through, 100 MiB, and is 1000; make it 101m"),
    ("phagescan:scan:max_size", 102, f"{SITE}:client_max_body_size: must let phagescan:scan:max_size through, 102 MiB"),
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
    ("phagescan:database:host", "192.0.2.1", "must be 127.0.0.1, where a master's database is made, not 192.0.2.1"),
    ("phagescan:database:host", "db.example.org", "must be 127.0.0.1, where a master's database is made, not db.example.org"),
    (URL, "http://127.0.0.1:9001", "nothing listens there; make it http://127.0.0.1:9000, of gunicorn:bind"),
    (URL, "http://master:70000", "has no port from 1 to 65535, but 70000"),
    # TLS.
    (TLS, True, "must be a mapping, not true or false"),
    (f"{TLS}:self_signed", "yes", "must be true or false, not text"),
    (f"{TLS}:selfsigned", True, "is not a key; did you mean self_signed?"),
    (f"{TLS}:cert", "/etc/ssl/a.pem", "is not a key; keys: certificate, key, self_signed"),
    (TLS, {"certificate": "/etc/ssl/a.pem"}, f"{TLS}:key: is missing; it belongs to phagescan:tls:certificate"),
    (TLS, {"key": "/etc/ssl/a.pem"}, f"{TLS}:certificate: is missing; it belongs to phagescan:tls:key"),
    (TLS, {"certificate": "a.pem", "key": "/a.pem"}, f"{TLS}:certificate: {PATH}, not a.pem"),
    (TLS, {"certificate": "/a.pem", "key": 1}, f"{TLS}:key: must be text, not a whole number"),
    ("nginx:tls", "phagescan:tls", "must be an execution function, not phagescan:tls"),
    ("nginx:tls", "shop.tls", "must be phagescan.tls, which knows of phagescan:tls, not shop.tls"),
    ("rabbitmq:tls", "shop.tls", "must be phagescan.tls, which knows of phagescan:tls, not shop.tls"),
    ("rabbitmq:tls_port", 70000, "must be a whole number from 1 to 65535, not 70000"),
    ("phagescan:broker:tls", True, "is for workers on other hosts: a master reaches its broker on 127.0.0.1; take it out"),
    ("phagescan:worker:ca_certs", "master.pem", f"{PATH}, not master.pem"),
    # Directories.
    ("phagescan:scan:sample_root", "/var/lib/postgresql/samples", f"{OWN}, not /var/lib/postgresql/samples"),
    ("phagescan:scan:sample_root", "/home/joe", f"{OWN}, not /home/joe"),
    ("phagescan:scan:sample_root", "/opt/phagescan/samples", f"must not lie in phagescan:root, /opt/phagescan, {GONE}"),
    ("phagescan:scan:sample_root", "/opt/phagescan-venv", f"must not lie in phagescan:virtualenv, /opt/phagescan-venv, {GONE}"),
    # Passwords.
    (f"{M}:password", REMOVED, "is missing; it stands in pillar/credentials.sls"),
    (f"{M}:password", "", "is missing; it stands in pillar/credentials.sls"),
    (f"{M}:password", "shorter-110", "is shorter than 12 characters"),
    (f"{M}:password", "longmasterpassword", "is the sample password; choose another"),
    ("postgresql:roles:citestsuper:password", "sup3rdup3r", "is the sample password; choose another"),
    ("postgresql:roles:citestsuper:password", "-" + SECRET, "starts with '-', which tools take for an option"),
    ("phagescan:admin:password", SECRET + "\n", "holds a control character or one that is not ASCII"),
    ("phagescan:admin:password", SECRET + "\0", "holds a control character or one that is not ASCII"),
    ("phagescan:admin:password", SECRET + "\u00e4", "holds a control character or one that is not ASCII"),
    ("phagescan:secret_key", SECRET, "is shorter than 50 characters"),
    ("rabbitmq:users:other", {}, "rabbitmq:users:other:password: is missing; it stands in pillar/credentials.sls"),
]
# What is wrong in more than one place, and where that is told.
SEVERAL: list[tuple[dict[str, Any], set[str]]] = [
    ({M: None, "rabbitmq:port": "x", f"{W}:tags": "x"}, {M, "rabbitmq:port", f"{W}:tags"}),
    ({"rabbitmq:users": "phage", "nginx:sites": []}, {"rabbitmq:users", "nginx:sites"}),
    ({"rabbitmq:users": {404: {}}}, {"rabbitmq:users:404", "phagescan:broker:master", "phagescan:broker:worker"}),
    ({"supervisord:programs:x:y": {}}, {"supervisord:programs:x:y", *(f"supervisord:programs:x:{key}" for key in PROGRAM)}),
    ({"supervisord:programs:all": {}}, {"supervisord:programs:all", *(f"supervisord:programs:all:{key}" for key in PROGRAM)}),
    ({"phagescan:worker:user": "root"}, {"phagescan:worker:user", f"{NODE}:user", f"{NODE}:group"}),
    (
        {"phagescan:user": "root"},
        {
            "phagescan:user",
            *(f"{formula}:{key}" for formula in ("gunicorn", "celery") for key in ("user", "group")),
            f"{CAM}:user",
        },
    ),
    ({"supervisord:programs": {"celerycma": {}}}, {CAM, *(f"supervisord:programs:celerycma:{key}" for key in PROGRAM)}),
    ({BROKER: "192.0.2.1", "rabbitmq:listen": "192.0.2.2"}, {BROKER}),
    ({BROKER: "192.0.2.1", "rabbitmq:listen": "nowhere"}, {"rabbitmq:listen"}),
    ({f"{CAM}:user": "root"}, {f"{CAM}:user"}),
    ({"phagescan:static_root": "/srv"}, {"phagescan:static_root", f"{SITE}:static:/static/"}),
    ({"phagescan:static_root": "/opt/phagescan/static"}, {"phagescan:static_root", f"{SITE}:static:/static/"}),
    ({"phagescan:root": "/"}, {"phagescan:root"}),
    (dict.fromkeys(("phagescan:root", "gunicorn:chdir", "celery:chdir", f"{CAM}:directory"), "/etc"), {"phagescan:root"}),
    (
        dict.fromkeys(("phagescan:root", "gunicorn:chdir", "celery:chdir", f"{CAM}:directory"), "/srv/all")
        | dict.fromkeys(("phagescan:log_dir", "gunicorn:log_dir", "celery:log_dir"), "/srv/all/log")
        | {"phagescan:scan:sample_root": "/srv/all/samples"},
        {"phagescan:log_dir", "phagescan:scan:sample_root"},
    ),
    (
        {"rabbitmq:port": 80, "gunicorn:bind": "127.0.0.1:80", f"{SITE}:proxy": "127.0.0.1:80", URL: "http://127.0.0.1"},
        {"gunicorn:bind", f"{SITE}:listen"},
    ),
    (
        {"phagescan:secret_key": "short", "phagescan:admin:password": "short"},
        {"phagescan:secret_key", "phagescan:admin:password"},
    ),
]
# With TLS, and a broker that other hosts reach.
MISTAKES_WITH_TLS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"rabbitmq:listen": "192.0.2.1"}, []),
    ({"rabbitmq:listen": "127.0.0.1", "rabbitmq:tls_port": 9000}, []),
    (
        {TLS: {"self_signed": True} | FILES},
        [
            f"{TLS}:self_signed: stands beside a certificate or key of yours; take out one or the other",
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
    ({"nginx:tls": REMOVED}, ["nginx:tls: must be phagescan.tls, which knows of phagescan:tls, not missing"]),
    ({"rabbitmq:tls": ""}, ["rabbitmq:tls: must be phagescan.tls, which knows of phagescan:tls, not missing"]),
    ({f"{SITE}:listen": 443}, [f"{SITE}:listen: port 443 is that of HTTPS of nginx; choose another"]),
    ({"rabbitmq:port": 443}, ["rabbitmq:port: port 443 is that of HTTPS of nginx; choose another"]),
    ({"rabbitmq:tls_port": 5672}, ["rabbitmq:tls_port: port 5672 is that of rabbitmq:port; choose another"]),
    ({"rabbitmq:port": 5671}, ["rabbitmq:tls_port: port 5671 is that of rabbitmq:port; choose another"]),
    ({"rabbitmq:tls_port": 443}, ["rabbitmq:tls_port: port 443 is that of HTTPS of nginx; choose another"]),
    ({"rabbitmq:tls_port": 5432}, ["postgresql:port: port 5432 is that of rabbitmq:tls_port; choose another"]),
    (
        {"nginx:sites:shop": {"listen": 81, "server_name": "_", "proxy": "[::1]:1", "static": {}, "client_max_body_size": 1}},
        ["nginx:sites:shop:server_name: _ is that of nginx:sites:phagescan, on the same port"],
    ),
    (
        {URL: "http://127.0.0.1"},
        [f"{URL}: would only be redirected, with phagescan:tls; make it http://127.0.0.1:9000, of gunicorn:bind"],
    ),
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
TRIED: set[str] = set()


def put(pillar: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of a pillar with one key set, or removed."""
    pillar = there = copy.deepcopy(pillar)
    *path, last = key.split(":")
    for part in path:
        there = there.setdefault(part, {})
    there.pop(last, None) if value is REMOVED else there.update({last: value})
    return pillar


def utility(name: str) -> ModuleType:
    """A module of salt/_utils by itself."""
    spec = importlib.util.spec_from_file_location(f"unit_{name}", ROOT / "salt" / "_utils" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    """The pillar as it is shipped, with passwords, and with each key that it leaves out."""
    pillar: dict[str, Any] = {}
    for path in sorted((ROOT / "pillar").glob("*.sls")):
        if path.name not in ("top.sls", "credentials.sls"):
            dictupdate.update(pillar, yaml.safe_load(path.read_text()))
    more = f"""
        phagescan:
          roles: [master, worker]
          secret_key: {SECRET * 3}
          admin: {{password: {SECRET}}}
          tls: {{self_signed: false}}
          broker: {{tls: false}}
          worker: {{ca_certs: /etc/ssl/master.pem}}
          allow_sample_passwords: false
          engines:
            yara: {{timeout: 30, memory: 512, rules: {{mine: 'rule mine {{ condition: false }}'}}}}
            fileinfo: {{timeout: 60, memory: 1024, depth: 3}}
        rabbitmq:
          node: rabbit@localhost
          listen: 127.0.0.1
          port: 5672
          tls_port: 5671
          consumer_timeout: 3600000
          users: {{phagemasteruser: {{password: {SECRET}}}, phageworkeruser: {{password: {SECRET}}}}}
          policies: {{phage: {{limit: {{pattern: ^log, apply-to: queues, priority: 1, definition: {{max-length: 9}}}}}}}}
        postgresql: {{version: '17', roles: {{citestsuper: {{password: {SECRET}}}}}}}
        gunicorn: {{workers: 2, threads: 4, timeout: 60}}
        celery:
          loglevel: info
          beat: false
          options: [--without-gossip]
          unit: {{Nice: 5}}
          role: ''
          workers: {{celeryd: {{chdir: /opt/phagescan, virtualenv: /opt/phagescan-venv, loglevel: info, beat: false}}}}
        """
    return dictupdate.update(pillar, yaml.safe_load(more))


@pytest.fixture(scope="module")
def doctor() -> Callable[[dict[str, Any]], list[str]]:
    """Tells the faults of a pillar, on a host that has nothing yet."""
    spec = importlib.util.spec_from_file_location("unit_phagescan", ROOT / "salt" / "_modules" / "phagescan.py")
    module = importlib.util.module_from_spec(spec)
    schema, pillar_faults, certificates = map(utility, ("schema", "pillar_faults", "certificates"))
    spec.loader.exec_module(module)
    module.__grains__ = {"os_family": "Debian", "osfinger": "Debian-13"}
    module.__opts__ = {
        "file_roots": {"base": [str(ROOT / name) for name in ("salt", "formulas", "roots")]},
        "pillar_roots": {"base": ["/nowhere"]},
        "gpg_keydir": "/nowhere",
    }
    module.__utils__ = {
        **{f"schema.{name}": getattr(schema, name) for name in ("faults", "key", "nearest")},
        **{f"pillar_faults.{name}": getattr(pillar_faults, name) for name in ("faults", "amqps")},
        "certificates.faults": certificates.faults,
        "certificates.faults_of_authority": lambda path: [f"{path}: is not there"] if path.startswith("/nowhere") else [],
    }
    module.pathlib = SimpleNamespace(
        Path=lambda path, *more: (
            Path(path, *more) if str(path).startswith(str(ROOT)) else Path("/nowhere", str(path).strip("/"))
        )
    )
    module.socket = SimpleNamespace(getaddrinfo=lambda *_arguments: [])
    module._preflight = lambda *_arguments: []  # what the machine that tests has is not the subject

    def tell(pillar: dict[str, Any], node: str = "") -> list[str]:
        def get(key: str, default: Any, unmask: bool) -> Any:
            value: Any = pillar
            for part in key.split(":"):
                if not isinstance(value, dict) or part not in value:
                    return default
                value = value[part]
            return value

        module.__pillar__ = pillar
        module.__salt__ = {
            "pillar.get": get,
            "grains.get": lambda _key: None,
            "postgresql_topology.version": lambda: "17",
            "rabbitmq_topology.node": lambda default: node or default,
        }
        lines = module.faults()
        TRIED.update(lines)
        assert all(line.isprintable() for line in lines)
        return lines

    return tell


def test_good(doctor: Callable[..., list[str]], good: dict[str, Any]) -> None:
    """A pillar that uses every key has no fault."""
    assert doctor(good) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rabbitmq:vhosts", ["phage", "/", "shop.1"]),
        (f"{SITE}:error_pages", {404: "/404.html"}),
        (f"{SITE}:listen", "[::]:8080 default_server"),
        (f"{SITE}:client_max_body_size", 0),
        (f"{M}:tags", ["administrator"]),
        (f"{M}:permissions:phage", [r"^\\Qa.b\\E$", "(?<name>a+)", "^$"]),
        ("gunicorn:environment:A", 5),
        ("gunicorn:environment:A", 'text with "%$'),
        ("phagescan:roles", "master"),
        ("phagescan:worker:master_url", "https://[2001:db8::1]:8443/scan"),
        ("phagescan:admin:password", "&!#%/@: ~'\"\\{}12"),
        ("postgresql:version", 17),
        ("unknown", {"namespace": "of others"}),
        ("phagescan:scan:sample_root", "/srv/samples/all"),
        (ZONE, "Europe/Berlin"),
        (ZONE, "America/Argentina/Buenos_Aires"),
        (ZONE, "Etc/GMT+1"),
        ("phagescan:database:host", "localhost"),
        ("phagescan:database:host", "::1"),
        (BROKER, "localhost"),
        (BROKER, "scan-master"),
        ("celery:workers:celeryd-result:group", "avuser"),
        ("celery:workers:theirs", {"config": "shop.celery", "hostname": "shop", "chdir": "/srv/shop", "group": "shop"}),
        ("celery:workers:celeryd-result:config", "scaggr"),
        ("gunicorn:application", "scaggr.wsgi:application"),
        ("supervisord:programs:theirs", dict.fromkeys(PROGRAM, "/x") | {"user": "x", "environment": {}}),
    ],
)
def test_right(doctor: Callable[..., list[str]], good: dict[str, Any], key: str, value: Any) -> None:
    """What is unusual and right is no fault."""
    assert doctor(put(good, key, value)) == []


@pytest.mark.parametrize(
    "changed",
    [
        *({BROKER: host, "rabbitmq:listen": "0.0.0.0"} for host in ("127.0.0.1", "192.0.2.1", "scan-master")),  # noqa: S104
        *({BROKER: host, "rabbitmq:listen": "192.0.2.1"} for host in ("192.0.2.1", "scan-master")),
        {BROKER: "2001:db8:0::1", "rabbitmq:listen": "2001:db8::1"},
        # A mere worker's broker and application are elsewhere, and it has no database and no page.
        {
            "phagescan:roles": "worker",
            BROKER: "192.0.2.1",
            "phagescan:database": REMOVED,
            "supervisord": REMOVED,
            "gunicorn:application": "other.wsgi",
            ZONE: "Europe/Berlni",
            "celery:workers:celeryd-master:config": "other",
            URL: "http://192.0.2.1",
        },
        {"phagescan:roles": "master", f"{NODE}:config": "other"},
    ],
)
def test_right_together(doctor: Callable[..., list[str]], good: dict[str, Any], changed: dict[str, Any]) -> None:
    """What is right beside other keys, or for another role, is no fault."""
    for key, value in changed.items():
        good = put(good, key, value)
    assert doctor(good) == []


def test_host_without_zones(doctor: Callable[..., list[str]], good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no zone is known, none is a fault."""
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    assert doctor(put(good, ZONE, "Europe/Berlin")) == doctor(put(good, ZONE, "Europe/Berlni")) == []
    monkeypatch.setattr(zoneinfo, "available_timezones", lambda: {"UTC", "Europe/Berlin"})
    assert doctor(put(good, ZONE, "Asia/Tokio")) == [f"{ZONE}: Asia/Tokio is not known here; see /usr/share/zoneinfo"]


@pytest.mark.parametrize(
    ("changed", "node", "told"),
    [
        ({}, "rabbit@old", True),
        ({"rabbitmq:node": REMOVED}, "rabbit@old", True),
        ({}, "", False),
        ({}, "rabbit@localhost", False),
        ({"rabbitmq:node": "rabbit@old"}, "rabbit@old", False),
        ({"rabbitmq:listen": "127.0.0.1"}, "rabbit@old", False),
        ({TLS: REMOVED}, "rabbit@old", False),
        ({"phagescan:roles": "worker", URL: "https://master"}, "rabbit@old", False),
    ],
)
def test_broker_that_was_here_first(
    doctor: Callable[..., list[str]], good: dict[str, Any], changed: dict[str, Any], node: str, told: bool
) -> None:
    """It keeps its listeners, and so is refused where they are to be AMQPS."""
    for key, value in (OPEN | changed).items():
        good = put(good, key, value)
    lines = doctor(good, node)
    assert [line.split(", is not")[0] for line in lines] == [f"rabbitmq:listen: the broker that is here, {node}"] * told


@pytest.mark.parametrize(("key", "value", "line"), MISTAKES)
def test_mistake(doctor: Callable[..., list[str]], good: dict[str, Any], key: str, value: Any, line: str) -> None:
    """It is one line, the key first, and shows no password."""
    top = key.partition(":")[0]
    wanted = line if line.startswith(f"{top}:") or line.split(":")[0] in good else f"{key}: {line}"
    (fault,) = doctor(put(good, key, value))
    assert fault.startswith(wanted)
    assert SECRET not in fault


@pytest.mark.parametrize(("changed", "keys"), SEVERAL)
def test_several(doctor: Callable[..., list[str]], good: dict[str, Any], changed: dict[str, Any], keys: set[str]) -> None:
    """Each is told, and what is only for want of it is not."""
    for key, value in changed.items():
        good = put(good, key, value)
    assert {line.split(": ")[0] for line in doctor(good)} == keys


@pytest.mark.parametrize(("changed", "lines"), MISTAKES_WITH_TLS)
def test_tls(doctor: Callable[..., list[str]], good: dict[str, Any], changed: dict[str, Any], lines: list[str]) -> None:
    """With TLS other ports are taken, other ways are right, and there are files to be good."""
    for key, value in (OPEN | changed).items():
        good = put(good, key, value)
    assert doctor(good) == lines


def nodes(value: Any, schema: dict[str, Any], defs: dict[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key of a pillar, and what its schema says of it."""
    schema = defs[schema["$ref"].removeprefix("#/$defs/")] | schema if "$ref" in schema else schema
    yield key, schema
    others = schema.get("additionalProperties")
    for name, item in value.items() if isinstance(value, dict) else ():
        below = schema.get("properties", {}).get(name, others if isinstance(others, dict) else None)
        if below is not None:
            yield from nodes(item, below, defs, f"{key}:{name}")


@pytest.fixture(scope="module")
def known(good: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Schemas of all keys of the pillar, as far as a colon does not stand in a name."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(ROOT.glob("*/*/schema.json")):
        schema = json.loads(path.read_text())
        name = "phagescan" if path.parent.name == "application" else path.parent.name
        found |= dict(nodes(good[name], schema, schema.get("$defs", {}), name))
    return found


VALUES = {
    "null": st.none(),
    "boolean": st.booleans(),
    "integer": st.integers(),
    "number": st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number != int(number)),
    "string": st.text(max_size=20),
    "array": st.lists(st.text(max_size=5), max_size=3),
    "object": st.dictionaries(st.text(string.ascii_letters, min_size=3, max_size=9), st.integers(), max_size=2),
}
GENERATED = settings(derandomize=True, database=None, deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))


@GENERATED
@given(data=st.data())
def test_wrong_kind(doctor: Any, good: dict[str, Any], known: dict[str, Any], data: st.DataObject) -> None:
    """Whatever key holds a value of another kind than its schema says, it is told, with both kinds."""
    key = data.draw(st.sampled_from([key for key in known if "type" in known[key]]))
    kinds = known[key]["type"]
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    kinds |= {"integer"} if "number" in kinds else set()
    kind = data.draw(st.sampled_from(sorted(VALUES.keys() - kinds)))
    value = data.draw(VALUES[kind])
    told = doctor(put(good, key, value))
    assert [line for line in told if line.startswith(f"{key}: must be ") and ", not " in line]


@GENERATED
@given(data=st.data())
def test_unknown_key(doctor: Any, good: dict[str, Any], known: dict[str, Any], data: st.DataObject) -> None:
    """Whatever key stands where there is none of this name, it is told."""
    closed = [key for key in known if known[key].get("additionalProperties") is False]
    key = data.draw(st.sampled_from(closed))
    name = data.draw(st.text(string.ascii_lowercase + "_", min_size=1, max_size=12))
    if name not in known[key]["properties"]:
        told = doctor(put(good, f"{key}:{name}", data.draw(st.integers())))
        assert [line for line in told if line.startswith(f"{key}:{name}: is not a key; ")]


@GENERATED
@given(data=st.data())
def test_missing_key(doctor: Any, good: dict[str, Any], known: dict[str, Any], data: st.DataObject) -> None:
    """Whatever is needed and missing is told."""
    needed = [f"{key}:{name}" for key in known for name in known[key].get("required", ())]
    key = data.draw(st.sampled_from(needed))
    assert [line for line in doctor(put(good, key, REMOVED)) if line.startswith(f"{key}: is missing; it must be ")]


@GENERATED
@given(data=st.data())
def test_out_of_range(doctor: Any, good: dict[str, Any], known: dict[str, Any], data: st.DataObject) -> None:
    """A number that is too small or too large is told, with the range."""
    key = data.draw(st.sampled_from([key for key in known if "minimum" in known[key]]))
    schema = known[key]
    small = st.integers(max_value=schema["minimum"] - 1)
    value = data.draw(small | st.integers(min_value=schema["maximum"] + 1) if "maximum" in schema else small)
    assert [line for line in doctor(put(good, key, value)) if line.startswith(f"{key}: must be ") and line.endswith(f"{value}")]


@GENERATED
@given(data=st.data())
def test_text_of_another_form(doctor: Any, good: dict[str, Any], known: dict[str, Any], data: st.DataObject) -> None:
    """Text with a line break, a NUL or a colon and a quote is nobody's name, path or address."""
    key = data.draw(st.sampled_from([key for key in known if "pattern" in known[key] or "enum" in known[key]]))
    value = data.draw(st.text(max_size=9)) + data.draw(st.sampled_from(["\n", "\0", "\r", "\x7f'\n"]))
    assert [line for line in doctor(put(good, key, value)) if line.startswith(f"{key}: must be ")]


def test_faults_tried(record_property: Callable[[str, object], None]) -> None:
    """How many different lines the tests before this one have seen."""
    record_property("pillar faults tried and refused", len(TRIED))
    print(f"pillar faults tried and refused: {len(TRIED)}")
    assert len(TRIED) > 200
