#!/bin/sh
# Runs as root in a Debian that has never had Hongyan, with its own Python, pip and pytest. /check has the wheel and the sample.
. /check/check-shared.sh
version=$(ls hongyan-*.whl | cut -d - -f 2)
python3 -m pip install --no-index hongyan-*.whl
[ "$(hongyan --version)" = "hongyan $version" ] || fail "the version is not $version"
[ "$(python3 -m hongyan --version)" = "hongyan $version" ] || fail "the version of the module is not $version"
python3 -m pytest -q -p no:cacheprovider test_shop.py
