#!/usr/bin/env bash
# Starts the Kafka node of the demo stack in its container; formats its storage the first time.
# Environment: KAFKA_ADVERTISED (kafka:9092).
set -euo pipefail
cp /opt/kafka/server.properties /tmp/server.properties
echo "advertised.listeners=PLAINTEXT://${KAFKA_ADVERTISED:-kafka:9092}" >>/tmp/server.properties
java=(java -Xmx512m -Dlog4j2.configurationFile=/opt/kafka/log4j2.yaml -cp '/opt/kafka/lib/*')
if [[ ! -f /var/lib/kafka/log/meta.properties ]]; then
	id=$("${java[@]}" kafka.tools.StorageTool random-uuid | tail -n 1)
	"${java[@]}" kafka.tools.StorageTool format -t "$id" -c /tmp/server.properties
fi
exec "${java[@]}" kafka.Kafka /tmp/server.properties
