"""Fills in what Jinja2 makes of every case in cases.json, set up as transformers does it.

    python render.py        (needs jinja2; the present values are from 3.1.6)
"""

import datetime
import json
import pathlib

import jinja2.exceptions
import jinja2.sandbox

HERE = pathlib.Path(__file__).parent
NOW = datetime.datetime(2026, 3, 9, 17, 5, 8)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


env = jinja2.sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
)
env.filters["tojson"] = tojson
env.globals.update(raise_exception=raise_exception, strftime_now=NOW.strftime)


def render(template, variables):
    try:
        return {"want": env.from_string(template).render(**variables)}
    except jinja2.exceptions.TemplateError as e:
        return {"refusal": str(e)}


cases = json.loads((HERE / "cases.json").read_text())
for case in cases["expressions"]:
    case.update(render(case["template"], cases["variables"]))
for case in cases["conversations"]:
    source = (HERE / case["template"]).read_text()
    case.update(render(source, {"messages": cases["messages"][case["messages"]], **case["options"]}))
(HERE / "cases.json").write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n")
