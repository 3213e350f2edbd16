package segment

import "encoding/binary"

// Version is the number of the format that Build writes.
const Version = 7

// The formats before, which are written while others do not read later ones.
const (
	VersionRare    = 6 // has long texts page by page, not as pieces
	VersionMinutes = 5 // has no lists of rows, and none of how listed codes are spread over rows
	VersionPlain   = 4 // has no counts of minutes either
)

// versionRead is the oldest format that is read.
const versionRead = 2

// PageRows is how many values a page holds.
const PageRows = 32768

// Sections are the first byte of a key. They are emitted in this order.
const (
	sectionTimes   byte = 1 // page -> times; timeMarks -> records of each minute
	sectionIDs     byte = 2 // page -> entry codes and ordinals
	sectionColumn  byte = 3 // column, item, number -> see below
	sectionFilters byte = 4 // column, group -> text page filters and word summary
	sectionSchemas byte = 5 // page -> schema codes; schemaList -> the schemas
	sectionTerms   byte = 6 // chunk -> terms and postings
	sectionEntries byte = 7 // the log entries that the records came with
	sectionFollow  byte = 8 // column, page -> codes that may follow another column; followMap -> how they do
	sectionMeta    byte = 9 // the directory, last
)

// Items of a column.
const (
	itemText   byte = 1  // page -> variables (text columns)
	itemPlain  byte = 2  // page -> texts without a shape that are not long, and which are (text columns)
	itemCodes  byte = 3  // page -> codes
	itemDict   byte = 4  // chunk -> dictionary values
	itemCounts byte = 5  // how often each code occurs
	itemPages  byte = 6  // on which pages each code occurs
	itemRefs   byte = 7  // which shapes refer to which columns
	itemLong   byte = 8  // long texts without a shape as runs of pieces; before version 7 page -> these (text columns)
	itemMinute byte = 9  // how many records of each minute have each code (levels)
	itemRare   byte = 10 // code -> the rows that have it, of rare ones (levels)
	itemPiece  byte = 11 // chunk -> pieces of long texts (text columns)
)

// Numbers that follow the pages in their section.
const (
	schemaList uint32 = 0xffffffff
	termHeads  uint32 = 0xffffffff
	timeMarks  uint32 = 0xffffffff
	followMap  uint32 = 0xffffffff
	longPlaces uint32 = 0          // which texts are long, from version 7 on
	longPieces uint32 = 1          // runs of pieces, and those of each text
	pieceGroup uint32 = 0xfffffffe // filters of the chunks of pieces
)

func pageKey(section byte, number uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{section}, number)
}

// filterKey is the key of a group of filters. Filters of all columns are
// neighbours, because a word is looked for in all of them.
func filterKey(column, group uint32) []byte {
	key := binary.BigEndian.AppendUint32([]byte{sectionFilters}, column)
	return binary.BigEndian.AppendUint32(key, group)
}

func columnKey(column uint32, item byte, number uint32) []byte {
	key := binary.BigEndian.AppendUint32([]byte{sectionColumn}, column)
	return binary.BigEndian.AppendUint32(append(key, item), number)
}

// followKey is the key of codes that are built after all columns.
func followKey(column, number uint32) []byte {
	key := binary.BigEndian.AppendUint32([]byte{sectionFollow}, column)
	return binary.BigEndian.AppendUint32(key, number)
}
