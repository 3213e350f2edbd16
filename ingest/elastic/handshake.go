package elastic

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// ProductHeader and Product must be on every answer to a client of
// Elasticsearch: without it official clients refuse to go on.
const (
	ProductHeader = "X-Elastic-Product"
	Product       = "Elasticsearch"
)

// DefaultVersion is the version that Handshake claims if Info has none: old
// enough for shippers of the last years, new enough for today's.
const DefaultVersion = "8.19.0"

// The content types of handshakes.
const (
	contentJSON = "application/json"
	contentText = "text/plain; charset=UTF-8"
)

// Info is what the answers say about us. All of it may be empty.
type Info struct {
	Name    string // of the node
	Cluster string // name of the cluster
	Version string // of Elasticsearch, to claim
	Address string // host:port at which clients reach this node, for sniffing
	Nodes   int    // of the cluster, for its health; at least 1
}

// withDefaults fills in what is empty.
func (i Info) withDefaults() Info {
	for _, f := range []struct {
		value     *string
		otherwise string
	}{{&i.Name, "stere"}, {&i.Cluster, "stere"}, {&i.Version, DefaultVersion}, {&i.Address, "127.0.0.1:7100"}} {
		if *f.value == "" {
			*f.value = f.otherwise
		}
	}
	i.Nodes = max(i.Nodes, 1)
	return i
}

const acknowledged = `{"acknowledged":true}`

// Handshake answers what shippers ask before and between _bulk requests. The
// path starts with '/' and has no prefix of ours; the query is as sent. If ok
// is false the path is none of Elasticsearch's that we know. An answer to HEAD
// has no body.
func Handshake(method, path, query string, info Info) (status int, contentType string, body []byte, ok bool) {
	info = info.withDefaults()
	read := method == http.MethodGet || method == http.MethodHead
	text, contentType := "", contentJSON
	switch {
	case read:
		text, contentType, ok = answerRead(path, query, info)
	case method == http.MethodPut || method == http.MethodPost:
		text, ok = answerWrite(path)
	}
	if !ok && method == http.MethodHead && isIndexName(path) {
		contentType, ok = contentJSON, true // does the alias exist: it needs none
	}
	if !ok {
		return 0, "", nil, false
	}
	if method == http.MethodHead {
		return http.StatusOK, contentType, nil, true
	}
	return http.StatusOK, contentType, []byte(text), true
}

// answerRead answers GET and HEAD.
func answerRead(path, query string, info Info) (text, contentType string, ok bool) {
	names := strings.Split(strings.Trim(path, "/"), "/")
	last := names[len(names)-1]
	switch names[0] {
	case "":
		return root(info), contentJSON, true
	case "_license":
		return `{"license":` + license(info) + `}`, contentJSON, true
	case "_xpack":
		return `{"license":` + license(info) + `,"features":{}}`, contentJSON, true
	case "_nodes":
		return nodes(info), contentJSON, true
	case "_cluster":
		if len(names) > 1 && names[1] == "health" {
			return health(info), contentJSON, true
		}
		if len(names) > 1 && names[1] == "settings" {
			return `{"persistent":{},"transient":{}}`, contentJSON, true
		}
	case "_cat":
		if len(names) > 1 && names[1] == "health" {
			return catHealth(query, info)
		}
	case "_index_template":
		if len(names) == 1 {
			return `{"index_templates":[]}`, contentJSON, true
		}
		return fmt.Sprintf(`{"index_templates":[{"name":%s,"index_template":{"index_patterns":[],"composed_of":[]}}]}`, quote(last)), contentJSON, true
	case "_data_stream":
		if len(names) == 1 {
			return `{"data_streams":[]}`, contentJSON, true
		}
		return fmt.Sprintf(`{"data_streams":[{"name":%[1]s,"timestamp_field":{"name":"@timestamp"},"indices":[],"generation":1,"status":"GREEN","template":%[1]s}]}`, quote(last)), contentJSON, true
	case "_ilm":
		if last == "status" {
			return `{"operation_mode":"RUNNING"}`, contentJSON, true
		}
		return "{}", contentJSON, true
	case "_ingest", "_component_template", "_template", "_rollup", "_logstash", "_alias":
		return "{}", contentJSON, true
	}
	return "", "", false
}

// answerWrite answers PUT and POST: what shippers set up is not needed here, so
// it counts as done.
func answerWrite(path string) (string, bool) {
	trimmed := strings.Trim(path, "/")
	// Logstash makes its first index by date math: <logs-{now/d}-000001>.
	if strings.HasPrefix(trimmed, "<") && strings.HasSuffix(trimmed, ">") {
		return fmt.Sprintf(`{"acknowledged":true,"shards_acknowledged":true,"index":%s}`, quote(trimmed)), true
	}
	names := strings.Split(trimmed, "/")
	switch names[0] {
	case "_aliases":
		return acknowledged, len(names) == 1
	case "_index_template", "_data_stream", "_component_template", "_template":
		return acknowledged, len(names) == 2
	case "_ilm", "_ingest":
		return acknowledged, len(names) == 3
	}
	return "", false
}

// isIndexName reports whether a path may name an index or alias.
func isIndexName(path string) bool {
	name := strings.TrimPrefix(path, "/")
	return name != "" && !strings.HasPrefix(name, "_") && !strings.Contains(name, "/")
}

func root(i Info) string {
	return fmt.Sprintf(`{"name":%s,"cluster_name":%s,"cluster_uuid":"%s",`+
		`"version":{"number":%s,"build_flavor":"default","build_type":"docker","build_hash":"x","build_date":"2025-01-01T00:00:00.000000000Z",`+
		`"build_snapshot":false,"lucene_version":"9.12.0","minimum_wire_compatibility_version":"7.17.0",`+
		`"minimum_index_compatibility_version":"7.0.0"},"tagline":"You Know, for Search"}`,
		quote(i.Name), quote(i.Cluster), uid(i.Cluster), quote(i.Version))
}

func license(i Info) string {
	sum := sha256.Sum256([]byte("license " + i.Cluster))
	return fmt.Sprintf(`{"status":"active","uid":"%x-%x-%x-%x-%x","type":"basic","mode":"basic","issue_date_in_millis":0,"expiry_date_in_millis":4000000000000}`,
		sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func nodes(i Info) string {
	return fmt.Sprintf(`{"_nodes":{"total":1,"successful":1,"failed":0},"cluster_name":%s,"nodes":{"%s":`+
		`{"name":%s,"version":%s,"roles":["data","ingest"],"http":{"bound_address":[%[5]s],"publish_address":%[5]s,"max_content_length_in_bytes":67108864}}}}`,
		quote(i.Cluster), uid(i.Name), quote(i.Name), quote(i.Version), quote(i.Address))
}

func health(i Info) string {
	return fmt.Sprintf(`{"cluster_name":%s,"status":"green","timed_out":false,"number_of_nodes":%d,"number_of_data_nodes":%[2]d,`+
		`"active_primary_shards":1,"active_shards":1,"relocating_shards":0,"initializing_shards":0,"unassigned_shards":0,`+
		`"delayed_unassigned_shards":0,"number_of_pending_tasks":0,"number_of_in_flight_fetch":0,`+
		`"task_max_waiting_in_queue_millis":0,"active_shards_percent_as_number":100.0}`, quote(i.Cluster), i.Nodes)
}

// catHealth answers in text, or in JSON with format=json.
func catHealth(query string, i Info) (text, contentType string, ok bool) {
	values, err := url.ParseQuery(query)
	if err == nil && values.Get("format") == "json" {
		return fmt.Sprintf(`[{"cluster":%s,"status":"green","node.total":"%d","node.data":"%[2]d"}]`, quote(i.Cluster), i.Nodes), contentJSON, true
	}
	name := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, i.Cluster)
	return fmt.Sprintf("%s green %d %[2]d 1 1 0 0 0 0 - 100.0%%\n", name, i.Nodes), contentText, true
}

// uid returns 22 characters that depend on the name only.
func uid(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func quote(s string) string { return string(appendString(nil, s)) }
