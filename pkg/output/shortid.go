package output

import "unicode/utf8"

const (
	// ShortID is how many characters of an id a table on a terminal shows at least.
	ShortID = 8
	// longestID is how many cells it shows at most: the length of a UUID.
	longestID = 36
	// rememberedIDs limits the memory of a stream.
	rememberedIDs = 10_000
)

// prefixes finds a prefix for each id that no other id in the table begins with.
type prefixes struct {
	known map[string][]string // ids by their first ShortID bytes
	count int
}

// add remembers an id. After rememberedIDs ids, it starts over.
func (p *prefixes) add(id string) {
	if len(id) < ShortID {
		return
	}
	if p.known == nil || p.count >= rememberedIDs {
		p.known, p.count = map[string][]string{}, 0
	}
	begin := id[:ShortID]
	for _, other := range p.known[begin] {
		if other == id {
			return
		}
	}
	p.known[begin] = append(p.known[begin], id)
	p.count++
}

// short returns the shortest prefix of an id that is unique among the known ones.
// An id that needs more than longestID cells ends in an ellipsis.
func (p *prefixes) short(id string) string {
	if len(id) <= ShortID {
		return id
	}
	n := len(string([]rune(id)[:min(ShortID, utf8.RuneCountInString(id))]))
	for _, other := range p.known[id[:ShortID]] {
		if other == id {
			continue
		}
		same := ShortID
		for same < len(id) && same < len(other) && id[same] == other[same] {
			same++
		}
		n = max(n, same+1)
	}
	for n < len(id) && !utf8.RuneStart(id[n]) {
		n++
	}
	return cut(id[:min(n, len(id))], longestID)
}

// shortenIDs replaces the cells of the columns with ids by their prefixes.
func (p *prefixes) shortenIDs(columns []Column, cells []string) {
	for i, c := range columns {
		if c.ID {
			cells[i] = p.short(cells[i])
		}
	}
}

// addIDs remembers the ids of a row.
func (p *prefixes) addIDs(columns []Column, cells []string) {
	for i, c := range columns {
		if c.ID {
			p.add(cells[i])
		}
	}
}
