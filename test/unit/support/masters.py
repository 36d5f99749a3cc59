"""The configuration of a master whose database and broker do not answer."""

MASTER_TOML = """
debug = false
secret_key = "a-key-of-the-unit-tests-that-is-longer-than-fifty-characters"
allowed_hosts = ["*"]
public_url = ""
time_zone = "UTC"
static_root = "/nonexistent/static"
tls = false
[broker]
host = "127.0.0.1"
port = 1
vhost = "phage"
user = "master"
password = "password"
[database]
host = "127.0.0.1"
port = 1
name = "phage"
user = "user"
[scan]
sample_root = "/nonexistent/samples"
max_size = 1048576
expires = 600
keep_free = 0
spool = "/nonexistent/spool"
engines = ["yara", "fileinfo"]
"""
