#!/usr/bin/env bash
# Holds the action, the examples and the repository's own workflows to the schemas of the services that read them, and their shell to
# bash and, where it is installed, shellcheck. The schemas are those that check-jsonschema brings
# (pip install check-jsonschema); without it, that part is left out, which is said.
set -euo pipefail
cd "$(dirname "$0")/../.."

bash -n docs/pipelines/pre-receive
bash -n docs/pipelines/check.sh
for script in dist/sign.sh runtime/mlx/next.sh runtime/mlx/vendor.sh vuln.sh; do
    sh -n "$script"
done
if command -v shellcheck > /dev/null; then
    shellcheck docs/pipelines/pre-receive docs/pipelines/check.sh dist/sign.sh vuln.sh
else
    echo "NOT RUN: shellcheck is not installed"
fi
if command -v check-jsonschema > /dev/null; then
    check-jsonschema --builtin-schema vendor.github-actions action.yml
    check-jsonschema --builtin-schema vendor.github-workflows docs/pipelines/workflow.yml .github/workflows/*.yml
    check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci docs/pipelines/gitlab-ci.yml
else
    echo "NOT RUN: check-jsonschema is not installed"
fi
