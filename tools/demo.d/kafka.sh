# The part of the story that needs a broker; tools/demo takes it in with --kafka.

start_broker() {
  heading "A Kafka broker of its own, with the topics of deploy/kafka (TLS, passwords and rules of access: the tests)"
  run 0 "(cd $root && tools/broker start --data $work/broker --with $$)"
  brokers="$(cat "$said")"
  run 0 "recordsctl bus apply --kafka $brokers --replicas 1 --without-acls"
  server_flags=(--kafka "$brokers")
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
