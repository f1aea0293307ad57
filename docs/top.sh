#!/bin/sh
# Makes the screen that docs/top.svg shows, inside the virtual machine (docs/top.md).
set -eu
./userapp 200 R 10000 >/dev/null &
./userapp run --follow -- sh -c 'while :; do echo | cat >/dev/null; done' >/dev/null 2>&1 &
pipeline=$!
tmux -u -f /dev/null new-session -d -x 80 -y 24 './mp3-top --sched'
screen() {
    tmux capture-pane -p "$@"
}
# Some pictures with both programs, the workload at work.
pictures=0
until [ "$pictures" -ge 5 ]; do
    sleep 1
    if screen | grep -q ' userapp ' && screen | grep -q ' sh '; then pictures=$((pictures + 1)); fi
done
screen -e >/out/top.ansi
screen
tmux kill-server
kill "$pipeline"
