package pipeline

import (
	"slices"

	"github.com/stere-log/stere/model"
)

// Names under which values as sent are kept.
const (
	originalName      = "_original"
	originalTimestamp = model.OriginalPrefix + model.FieldTimestamp
	originalLevel     = model.OriginalPrefix + model.FieldLevel
	originalSeverity  = model.OriginalPrefix + model.FieldSeverity
)

// slot numbers the fields that mean something to the pipeline: for each, the
// Parser remembers where it is in the current record.
type slot uint8

// The slots. The time fields follow slotTimes in the order of Config.
const (
	slotNone slot = iota
	slotTimestamp
	slotLevel
	slotSeverity
	slotSeverityNumber
	slotLogLevel
	slotLvl
	slotLoglevel
	slotSeverityText
	slotTimes
	slotCount = slotTimes + timeFieldsMax
)

// slotOf returns the slot of a field path.
func (p *Parser) slotOf(path string) slot {
	switch path {
	case model.FieldTimestamp:
		return slotTimestamp
	case model.FieldLevel:
		return slotLevel
	case model.FieldSeverity:
		return slotSeverity
	}
	query := model.QueryName(path)
	if i := slices.Index(p.cfg.TimeFields, query); i >= 0 {
		return slotTimes + slot(i)
	}
	switch query {
	case "severity_number", "severityNumber", "SeverityNumber":
		return slotSeverityNumber
	case "log.level":
		return slotLogLevel
	case "lvl":
		return slotLvl
	case "loglevel":
		return slotLoglevel
	case "severity_text", "severityText", "SeverityText":
		return slotSeverityText
	}
	return slotNone
}

// at returns the field in a slot, or nil.
func (p *Parser) at(s slot) *model.Field {
	if i := p.slots[s]; i > 0 {
		return &p.fields[i-1]
	}
	return nil
}
