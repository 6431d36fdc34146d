#!/bin/sh
# Runs as root in a Debian that has never had Hongyan. Follows README.md with the archive in /check: unpacks the archive, runs
# the gateway and the demo, and sends a message by the commands of both READMEs.
. /check/check-shared.sh
archive=$(ls hongyan-*-x86_64-linux.tar.gz)
folder=${archive%.tar.gz}
version=${folder#hongyan-}
version=${version%-x86_64-linux}

# 1. README.md begins with this command.
tar -xzf "$archive" && cd "$folder" && export PATH=$PWD:$PATH
for readme in README.md README.zh-CN.md; do
    grep -qF "\`tar -xzf $archive && cd $folder && export PATH=\$PWD:\$PATH\`" $readme || fail "$readme says something else"
done
[ "$(hongyan --version)" = "hongyan $version" ] || fail "the version is not $version"

# 2. The other files belong to this binary.
for shell in bash:hongyan.bash fish:hongyan.fish zsh:_hongyan; do
    hongyan completions "${shell%:*}" | cmp - "completions/${shell#*:}"
done
bash -c '. completions/hongyan.bash && complete -p hongyan'
mkdir -p /check/man/man1 /check/man/zh_CN/man1
hongyan man /check/man/man1
hongyan --lang zh man /check/man/zh_CN/man1
diff -r /check/man man
for file in CHANGELOG.md LICENSE-APACHE LICENSE-MIT THIRD-PARTY.txt hongyan.service; do
    [ -s $file ] || fail "the archive has no $file"
done

# 3. The gateway accepts the example of a configuration.
cp hongyan.example.toml hongyan.toml
hongyan serve >/check/serve.log 2>&1 &
serve=$!
until_true healthy
hongyan key create --name backend | grep -q '^hyk_'
kill $serve
wait $serve || fail "the gateway ended with $?: $(cat /check/serve.log)"

# 4. The demo prints a key, and answers.
hongyan demo >/check/demo.log 2>&1 &
demo=$!
until_true grep -q 'Ctrl-C' /check/demo.log
key=$(sed -n 's/^API key *\(hyk_[^ ]*\).*/\1/p' /check/demo.log)
for page in 8790/phone 8790/inbox 8790/docs 8780/docs 8780/console; do
    curl -sfL -o /dev/null "http://127.0.0.1:$page"
done

# 5. The commands of README.md with curl send a message. A refusal ends the script.
echo fail >/root/.curlrc
for readme in README.md README.zh-CN.md; do
    awk '/^## /{on = /curl/} on && /^```/{command = /sh$/; next} on && command' $readme |
        sed "s/^KEY=[^ ]*/KEY=$key/" >/check/commands
    HOME=/root sh -eux /check/commands >/check/answers
    grep -q '"state":"sent"' /check/answers || fail "$readme: $(cat /check/answers)"
done
curl -s http://127.0.0.1:8790/_sandbox/inbox >/check/inbox
grep -q 'Your coffee is ready' /check/inbox && grep -q '你的咖啡做好了' /check/inbox || fail "the inbox: $(cat /check/inbox)"
kill $demo
wait $demo || fail "the demo ended with $?: $(cat /check/demo.log)"
