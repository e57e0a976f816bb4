#!/usr/bin/env bats
# A newcomer's machine: a Debian without anything, a checkout, and the README's own commands.
# shellcheck disable=SC2154 # helpers.bash sets and reads

load helpers

setup() {
    world
    "$BATS_TEST_DIRNAME/images.sh" debian:bookworm-slim
    git -C "$top" -c safe.directory='*' archive --format=tar HEAD >"$dir/checkout.tar"
}

teardown() {
    end_world
}

# two_commands: the README's, without the remarks
two_commands() {
    awk '/^## / { on = $0 == "## Two commands" }
        /^```/ { fence = !fence && $0 == "```sh"; next }
        on && fence' "$top/README.md" | sed 's/ *#.*//'
}

# newcomer COMMAND: in a checkout on such a machine, whose root is one
newcomer() {
    once --privileged --interactive debian:bookworm-slim sh -ec "mkdir /redkeep && cd /redkeep && tar -x
        apt-get update && apt-get install -y make
        $1" <"$dir/checkout.tar" >"$dir/out" 2>&1 3>&- || {
        tail -n 60 "$dir/out"
        return 1
    }
}

@test "the README's two commands and nothing else" {
    # shellcheck disable=SC2016 # Markdown's
    grep -qF '`apt-get install -y make`' "$top/README.md"
    [[ $(two_commands) == $'make demo\nmake test' ]]
    newcomer "$(two_commands)"
    grep -q 'what was lost with it: nothing' "$dir/out"
    tail -n 1 "$dir/out" | grep -q '^[1-9][0-9]* passed, 0 failed$'
}
