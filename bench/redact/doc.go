// Command redact measures package redact: how well its detectors do on labelled
// lines that it makes, what they find in files of logs, and what that costs.
//
//	go run ./bench/redact                      # labelled lines only
//	go run ./bench/redact -data logs/          # also every .ndjson, .json and .log file there, packed or not
//
// Examples that it prints are redacted.
package main
