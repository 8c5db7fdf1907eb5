# The part of the story that needs a broker; tools/demo takes it in with --kafka.

start_broker() {
  heading "A Kafka broker of its own, with the topics of deploy/kafka (TLS, passwords and rules of access: the tests)"
  run 0 "(cd $root && tools/broker start --data $work/broker --with $$)"
  brokers="$(cat "$said")"
  run 0 "recordsctl bus apply --kafka $brokers --replicas 1 --without-acls"
  run 0 "(cd $root && tools/service-certificates $work/certificates)"
  server_flags=(--kafka "$brokers" --services-listen "$services" $(shown_by ledger))
}

# What a service shows to others, as flags.
shown_by() {
  local at=certificates
  echo "--service-certificate $at/$1.pem --service-private-key $at/$1.key --service-ca $at/ca.pem"
}

show_timeline_process() {
  heading "The timeline once more, in a process of its own: rows from Kafka, keys and decisions from the ledger"
  local flags="--serve timeline --data view --listen $view_listen --metrics $view_metrics --kafka $brokers"
  flags+=" --ledger $services $(shown_by timeline)"
  flags+=" --token-issuer records-development=data/development-issuer.jwks.json"
  printf '\n$ %s\n' "recordsd $flags 2> view.log &"
  # shellcheck disable=SC2086
  recordsd $flags 2>view.log &
  view_pid=$!
  run 0 "health --wait 300 $view_listen"
  expect SERVING "the timeline does not serve"
  local asked="--token-file amy.token --purpose service-delivery timeline show --customer"
  run 0 "recordsctl --server $listen $asked S-1 > here.txt; recordsctl --server $view_listen $asked S-1 > there.txt
cmp here.txt there.txt && head -n 12 there.txt"
  run 1 "recordsctl --server $view_listen $asked R-nobody"
  echo
  echo "Without the ledger it answers nothing, as nobody would trace it; with it again at once."
  run 0 "kill -STOP $server_pid; recordsctl --server $view_listen --timeout 20 $asked S-1 2>&1 | grep why; \
kill -CONT $server_pid"
  expect "ledger does not answer" "the view answered without the ledger"
  run 0 "recordsctl --server $view_listen $asked S-1 | cmp - there.txt"
}

stop_timeline_process() {
  [ -n "$view_pid" ] || return 0
  kill "$view_pid" 2>/dev/null || true
  wait "$view_pid" 2>/dev/null || true
  view_pid=
}

stop_broker() { (cd "$root" && tools/broker stop --kill --data "$work/broker") >/dev/null 2>&1 || true; }

# Runs one of tools/examples until it has no more to do.
run_system() {
  run 0 "$root/build/tools/python/bin/python $root/tools/examples/$1_system.py --once --token-file $1.token \
--kafka $brokers --ledger $listen --store $1.sqlite > $1.txt"
  run 0 "tail -n 4 $1.txt"
}

show_work_streams() {
  heading "Two other systems take their work: repairs, and anti-social behaviour. Each has one role and one topic"
  run 0 "recordsctl --server $listen token --data data --role repairs-system --name repairs > repairs.token"
  run 0 "recordsctl --server $listen token --data data --role asb-system --name asb > asb.token"
  run 0 "published $metrics"
  run 0 "$root/build/tools/python/bin/python $root/tools/demo.d/readable records $brokers"
  run_system repairs
  run 0 "grep -c '^job for' repairs.txt; grep 'Kitchen tap' repairs.txt"
  expect "Kitchen tap cannot be closed" "the repairs system does not have the repair of the split message"
  run_system asb
  run 0 "grep -c '^case' asb.txt; grep anonymous asb.txt"
  expect "(anonymous)" "the ASB system does not have the anonymous report"
  echo
  echo "Again there is nothing left to do:"
  run_system repairs
  run 0 "wc -c < repairs.txt"
  expect "0" "a job was made twice"

  heading "What kcat sees of the ASB topic: headers, and a reference that only the ledger opens"
  run 0 "kcat -b $brokers -C -t records.asb.v1 -c 1 -q -f '%h\n'"
  expect "ce_type=records.events.v1.Restricted" "the record has no readable headers"
  run 0 "kcat -b $brokers -C -t records.asb.v1 -o beginning -e -q -f '%k %h %s\n' > asb.topic"
  run 1 "find_words --word $canary --word noise --word threats --word drugs asb.topic"
  expect "found nothing" "the search did not finish"
}
