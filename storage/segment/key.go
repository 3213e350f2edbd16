package segment

import "encoding/binary"

// Version is the number of the format that Build writes.
const Version = 1

// PageRows is how many values a page holds.
const PageRows = 8192

// Sections are the first byte of a key. They are emitted in this order.
const (
	sectionTimes   byte = 1 // page -> times
	sectionIDs     byte = 2 // page -> entry codes and ordinals
	sectionColumn  byte = 3 // column, item, number -> see below
	sectionSchemas byte = 4 // page -> schema codes; schemaList -> the schemas
	sectionTerms   byte = 5 // chunk -> terms and postings
	sectionEntries byte = 6 // the log entries that the records came with
	sectionMeta    byte = 9 // the directory, last
)

// Items of a column.
const (
	itemText    byte = 1 // page -> variables (text columns)
	itemPlain   byte = 2 // page -> texts without a shape (text columns)
	itemCodes   byte = 3 // page -> codes
	itemDict    byte = 4 // chunk -> dictionary values
	itemCounts  byte = 5 // how often each code occurs
	itemPages   byte = 6 // on which pages each code occurs
	itemFilters byte = 7 // text page filters and word summary (text columns)
)

// Numbers that follow the pages in their section.
const (
	schemaList uint32 = 0xffffffff
	termHeads  uint32 = 0xffffffff
)

func pageKey(section byte, number uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{section}, number)
}

func columnKey(column uint32, item byte, number uint32) []byte {
	key := binary.BigEndian.AppendUint32([]byte{sectionColumn}, column)
	return binary.BigEndian.AppendUint32(append(key, item), number)
}
