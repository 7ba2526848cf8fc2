#!/usr/bin/env bash
# The simulated exchange into pkt-sniffer into Kafka, for the container of the demo stack.
# Environment: KAFKA (kafka:9092), RATE (messages a second, 50000), SECONDS_LONG (600), METRICS (*:9100), PREFIX (demo).
set -euo pipefail
feed-sim --seconds "${SECONDS_LONG:-600}" --rate "${RATE:-50000}" --pcap - |
	pkt-sniffer -r - --speed 1 -o "kafka://${KAFKA:-kafka:9092}/${PREFIX:-demo}?connect_ms=60000" --metrics "${METRICS:-*:9100}"
