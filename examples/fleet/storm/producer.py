"""Puts numbers, 200 a second, half of them in aggregates as the Kinesis Producer Library makes them; says up to which,
and ends with its input."""
import sys, threading, time
import boto3
from aws_kinesis_agg.aggregator import RecordAggregator

kinesis = boto3.client("kinesis", endpoint_url=sys.argv[1], region_name="us-east-1",
                       aws_access_key_id="any", aws_secret_access_key="any")
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()

def put(entries):
    while entries:
        answer = kinesis.put_records(StreamName="fleet", Records=entries)
        entries = [entry for entry, told in zip(entries, answer["Records"]) if "ErrorCode" in told]

n = 0
while not ended.is_set():
    began = time.monotonic()
    put([{"Data": b"%d" % i, "PartitionKey": "192.0.2.%d" % (i % 251)} for i in range(n, n + 10)])
    # One key: an aggregate whose records were of several shards would lose some of them to the KCL.
    together = RecordAggregator()
    for i in range(n + 10, n + 20):
        together.add_user_record("192.0.2.%d" % (n // 20 % 251), b"%d" % i)
    key, hash_key, data = together.clear_and_get().get_contents()
    put([{"Data": data, "PartitionKey": key}])
    n += 20
    print(n, flush=True)
    time.sleep(max(0.0, 0.1 - (time.monotonic() - began)))
