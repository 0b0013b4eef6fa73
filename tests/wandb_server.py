"""A stand-in for the W&B server on loopback: sweeps, agents, runs, their history, files and artifacts.

It speaks what `wandb sweep`, `wandb agent` and `wandb.init` of W&B 0.31 ask for, hands out the trials it is given, and
keeps what comes. An operation it does not know is answered with an error and kept in ``unknown``.
"""

import gzip
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

KEY = "0123456789abcdef" * 2 + "01234567"  # what an API key looks like
PROJECT = {"id": "project", "name": "faceimit", "entity": {"id": "entity", "name": "robots"}}


class WandbServer:
    """Use as a context manager.

    Args:
        trials: parameters of each trial it will hand out, by name.

    Attributes:
        sweeps: configuration of each sweep by id.
        runs: of each run by id: config, sweep, group, history (rows), summary, exit code.
        artifacts: of each by id: name, type, run, aliases, metadata, state.
        files: content of what was uploaded, by path.
        handed: ids of the trials handed out.
        unknown: operations it had no answer to.
    """

    def __init__(self, trials=()):
        self.trials = list(trials)
        self.sweeps, self.runs, self.files, self.artifacts = {}, {}, {}, {}
        self.handed, self.unknown = [], []
        self.lock = threading.Lock()

    def __enter__(self):
        self._http = _Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_port}"

    def environment(self, folder: Path) -> dict[str, str]:
        """Variables for a process that is to talk to this server and keep its own files in `folder`."""
        names = ("DIR", "CACHE_DIR", "CONFIG_DIR", "DATA_DIR", "ARTIFACT_DIR")
        places = {f"WANDB_{name}": str(folder / "wandb_home") for name in names}
        (folder / "wandb_home").mkdir(exist_ok=True)
        return places | {
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": KEY,
            "WANDB_ENTITY": "robots",
            "WANDB_PROJECT": "faceimit",
            "WANDB__DISABLE_STATS": "true",
        }

    # ------------------------------------------------------------------ operations of GraphQL, by name

    def answer(self, operation, query, values):
        """Data for one operation."""
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
        method = getattr(self, f"_on_{snake}", None)
        if method is None:
            self.unknown.append((operation, query, values))
            return None
        return method(values, query)

    def _on_viewer(self, _values, _query):
        return {"viewer": {
            "id": "user", "username": "robot", "email": "robot@localhost", "entity": "robots", "admin": False,
            "flags": "{}", "teams": {"edges": []}, "name": "robot", "accounts": [], "apiKeys": {"edges": []},
        }}  # fmt: skip

    def _on_upsert_bucket(self, values, _query):
        name = values["name"] or values["id"]
        new = name not in self.runs
        run = self.runs.setdefault(
            name, {"config": {}, "sweep": None, "group": None, "history": [], "summary": {}, "exit": None}
        )
        run["config"] |= json.loads(values.get("config") or "{}")
        run["sweep"] = values.get("sweep") or run["sweep"]
        run["group"] = values.get("groupName") or run["group"]
        bucket = {
            "id": f"bucket-{name}", "name": name, "displayName": values.get("displayName") or name, "description": "",
            "config": json.dumps(run["config"]), "sweepName": run["sweep"], "project": PROJECT,
            "historyLineCount": len(run["history"]),
        }  # fmt: skip
        return {"upsertBucket": {"bucket": bucket, "inserted": new}}

    def _on_run_resume_status(self, _values, _query):
        return {"model": PROJECT | {"bucket": None}}  # never resumed

    def _on_server_features_query(self, _values, _query):
        return {"serverInfo": {"features": []}}

    def _on_create_run_files(self, values, _query):
        run = values["run"]
        files = [{"name": name, "uploadUrl": f"{self.url}/upload/{run}/{name}"} for name in values["files"]]
        return {"createRunFiles": {"runID": f"bucket-{run}", "uploadHeaders": [], "files": files}}

    # ------------------------------------------------------------------ artifacts

    def _on_artifact_type(self, _values, _query):
        return {"project": {"artifact": None}}

    def _on_create_artifact(self, values, _query):
        asked = values["input"]
        name = f"artifact{len(self.artifacts)}"
        self.artifacts[name] = {
            "name": asked["artifactCollectionName"], "type": asked["artifactTypeName"], "run": asked["runName"],
            "aliases": [alias["alias"] for alias in asked["aliases"]], "state": "PENDING",
            "metadata": json.loads(asked["metadata"] or "{}"),
        }  # fmt: skip
        artifact = {"id": name, "state": "PENDING", "artifactSequence": {"latestArtifact": None}}
        return {"createArtifact": {"artifact": artifact}}

    def _on_create_artifact_manifest(self, values, _query):
        url = f"{self.url}/manifest/{values.get('artifactID') or values['input']['artifactID']}"
        file = {"id": "file", "name": "wandb_manifest.json", "displayName": "wandb_manifest.json",
                "uploadUrl": url, "uploadHeaders": []}  # fmt: skip
        return {"createArtifactManifest": {"artifactManifest": {"id": "manifest", "file": file}}}

    def _on_create_artifact_files(self, values, _query):
        specs = values.get("artifactFiles") or values["input"]["artifactFiles"]
        files = [
            {"node": {
                "id": f"file{number}", "name": spec["name"], "displayName": spec["name"], "storagePath": spec["name"],
                "uploadUrl": f"{self.url}/artifact/{spec['artifactID']}/{spec['name']}", "uploadHeaders": [],
                "uploadMultipartUrls": None, "artifact": {"id": spec["artifactID"]},
            }}
            for number, spec in enumerate(specs)
        ]  # fmt: skip
        return {"createArtifactFiles": {"files": {"edges": files}}}

    def _on_commit_artifact(self, values, _query):
        name = values.get("artifactID") or values["input"]["artifactID"]
        self.artifacts[name]["state"] = "COMMITTED"
        return {"commitArtifact": {"artifact": {"id": name, "digest": "digest"}}}

    # ------------------------------------------------------------------ sweeps and agents

    def _on_upsert_sweep(self, values, _query):
        name = f"sweep{len(self.sweeps)}"
        self.sweeps[name] = yaml.safe_load(values["config"])
        sweep = {"name": name, "project": PROJECT}
        return {"upsertSweep": {"sweep": sweep, "configValidationWarnings": []}}

    def _on_sweep_with_runs(self, values, _query):
        config = self.sweeps.get(values["sweep"])
        if config is None:
            return {"project": {"sweep": None}}
        unknown = ("state", "description", "createdAt", "heartbeatAt", "updatedAt", "earlyStopJobRunning", "bestLoss")
        sweep = dict.fromkeys((*unknown, "controller", "scheduler"))
        sweep |= {"id": values["sweep"], "name": values["sweep"], "method": config["method"], "runs": {"edges": []}}
        return {"project": {"sweep": sweep | {"config": yaml.safe_dump(config)}}}

    def _on_create_agent(self, _values, _query):
        return {"createAgent": {"agent": {"id": "agent"}}}

    def _on_heartbeat(self, values, _query):
        """The next trial when none runs; when there is none left, the end."""
        commands = []
        if not json.loads(values["runState"]):
            commands = [self._next_trial()] if self.trials else [{"type": "exit"}]
        agent = {"id": values["id"]}
        return {"agentHeartbeat": {"agent": agent, "commands": json.dumps(commands)}}

    def _next_trial(self):
        values = self.trials.pop(0)
        (config,) = self.sweeps.values()
        number = len(self.handed)
        self.handed.append(f"trial{number}")
        return {
            "type": "run", "run_id": f"trial{number}", "program": config.get("program"),
            "args": {name: {"value": value} for name, value in values.items()},
        }  # fmt: skip

    # ------------------------------------------------------------------ what a run streams

    def stream(self, run, content):
        """History, summary and the end of a run."""
        stored = self.runs[run]
        for name, part in (content.get("files") or {}).items():
            if name == "wandb-history.jsonl":
                stored["history"] += [json.loads(line) for line in part["content"]]
            elif name == "wandb-summary.json":
                stored["summary"] |= json.loads(part["content"][-1])
        if content.get("complete"):
            stored["exit"] = content["exitcode"]

    def _handler(self):
        return type("Handler", (_Handler,), {"server_of_tests": self})


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A process that has ended leaves its connections as they are."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of_tests: WandbServer

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self._body()
        streamed = re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path)
        with self.server_of_tests.lock:
            if self.path == "/graphql":
                self._reply(self._graphql(json.loads(body)))
            else:
                if streamed:
                    self.server_of_tests.stream(streamed[1], json.loads(body))
                self._reply({})  # telemetry among others

    def do_PUT(self):
        body = self._body()
        with self.server_of_tests.lock:
            self.server_of_tests.files[self.path] = body
        self._reply({})

    def _graphql(self, asked):
        name = asked.get("operationName") or re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])[1]
        data = self.server_of_tests.answer(name, asked["query"], asked.get("variables") or {})
        return {"errors": [{"message": f"unknown operation {name}"}]} if data is None else {"data": data}

    def _body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _reply(self, content):
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
