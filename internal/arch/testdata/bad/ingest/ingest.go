// Package ingest reaches storage through index.
package ingest

import _ "bad.example/index"
