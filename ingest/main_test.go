package ingest

import (
	"os"
	"strings"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
)

// TestMain encodes and reads a block before any test does: compressors make
// channels at their first use, and one made in a bubble of synctest is of no use
// outside.
func TestMain(m *testing.M) {
	record := model.Record{Fields: []model.Field{{Name: model.FieldMessage, Kind: model.String, Text: strings.Repeat("first ", 100)}}}
	encoded, err := block.Encode(nil, []model.Record{record})
	if err == nil {
		_, err = block.Decode(encoded)
	}
	if err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
