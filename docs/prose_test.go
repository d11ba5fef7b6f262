package docs_test

import (
	"bytes"
	"go/scanner"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// wordList has phrases that native readers stumble over, and what to write
// instead. A match in a sentence that reads well anyway is rare: reword it too.
var wordList = []struct{ phrase, instead string }{
	// Constructions.
	{`what (is|was|are|were|came|comes|went|goes)`, `name the thing: "the stored event", not "what is stored"`},
	{`of what|that which|those of`, `name the thing that the phrase stands for`},
	{`who has|whoever|those who|whom`, `name the person: "users", "admins", "you"`},
	{`(is|are|be|not) told|is said|tells (of|nothing|that|what|who)`, `"is printed", "is logged", "is reported"`},
	{`say (where|which|--[a-z-]+|so)`, `"pass --flag", "set"`},
	{`(is|are|was|were) wanted|(is|are) meant[.,;:)]`, `"is required", "is used", or name who asked for it`},
	{`nobody`, `"no one", or name who does it`},
	{`all the same|nevertheless`, `"anyway", "still", or nothing`},
	{`but for|save for`, `"except for"`},
	{`(that|this|it|which|value|%q|%s|%d) is no [a-km-z]\w*`, `"invalid …", "is not a …"`},
	{`(ha(s|ve)|(need|want)s?) to be|shall`, `"must be", "should"`},
	{`where there (is|are)`, `"if there is"`},
	{`(goes|go|going|went) on`, `"continue"`},
	{`go(es)? together`, `"can be combined", "requires"`},
	{`(be|is|are|it|them) whole`, `"complete", "in full"`},
	{`see to (it|the)`, `"fix", "make sure"`},
	{`in force`, `"effective", "current"`},
	{`in clear[.,;:)]`, `"unencrypted"`},
	{`a yes`, `"confirmation"`},
	{`taken for`, `"treated as", "mistaken for"`},
	{`(for|by|with|of|from) it alone|alone[.,;:)]`, `"only", before the thing it limits`},
	{`(\d+|one|two) at (least|most)`, `"at least 1", "at most 1": the number comes last`},
	// The glossary.
	{`(mak(e|es|ing)|made) (a|an|one|the) (new |personal )?(token|secret|webhook|profile|stream|key|file|folder|access)`, `"create", "generate"`},
	{`beginning of (an?|the|one)`, `"prefix of"`},
	{`anew`, `"again"; for events "redeliver" or "resend"`},
	{`parted`, `"separated", as in "comma-separated"`},
	{`hand(ed|s|ing)?( it| them| one| events?| an event)? on`, `"forward" an event; "pass" a value`},
	{`(takes?|taking|taken)( it| them| one| events?| an event) in|taken in`, `"receive", "accept"`},
	{`reckon\w*`, `"count", "calculate", "assume"`},
	{`against repeats|(of|for|as) repeats|repeats (is|are)`, `"duplicates"; an event is "retained for deduplication"`},
	{`buried|(event|letter)s? (died|dies|is dead|are dead)`, `"dead letter", "becomes a dead letter"`},
	// Spelling.
	{`(mis)?spelt|for ever|time-outs?|(colour|licence|behaviour|favour|honour)\w*|\w+(alis|gnis|ganis|onis|aris)(e[ds]?|ing|ation)`, `the American spelling: "color", "license", "spelled", "forever", "timeout"`},
}

var phrases = sync.OnceValue(func() (compiled []*regexp.Regexp) {
	for _, w := range wordList {
		compiled = append(compiled, regexp.MustCompile(`(?i)\b(`+strings.ReplaceAll(w.phrase, " ", `\s+`)+`)(\W|$)`))
	}
	return compiled
})

// TestProse looks for the phrases of wordList in all pages, in all comments, and
// in the strings of the program, and so in its messages and help.
func TestProse(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "dist", "bin", "testdata", "reference"}, d.Name()) {
			return fs.SkipDir
		}
		kind := filepath.Ext(path)
		if kind == ".go" || kind == ".md" {
			findPhrases(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if t.Failed() {
		t.Log(`native readers stumble over these phrases: reword them; "Prose" in CONTRIBUTING.md has the rules`)
	}
}

// findPhrases reports the matches in a file.
func findPhrases(t *testing.T, path string) {
	t.Helper()
	text := []byte(read(t, path))
	if filepath.Ext(path) == ".go" {
		text = proseOf(text, !strings.HasSuffix(path, "_test.go"))
	}
	for i, w := range wordList {
		for _, at := range phrases()[i].FindAllIndex(text, -1) {
			t.Errorf("%s:%d: %q: write %s", path, 1+bytes.Count(text[:at[0]], []byte("\n")),
				strings.Join(strings.Fields(string(text[at[0]:at[1]])), " "), w.instead)
		}
	}
}

// proseOf blanks everything in Go source except comments and, if literals is set,
// string literals, so that a phrase is also found across lines, and its line is
// the same.
func proseOf(source []byte, literals bool) []byte {
	space := strings.NewReplacer("//", "  ", `"`, " ", "`", " ")
	prose := bytes.Clone(source)
	file := token.NewFileSet().AddFile("", -1, len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, scanner.ScanComments)
	end := 0 // of the last comment or string
	for {
		pos, tok, text := s.Scan()
		at := len(source)
		if tok != token.EOF {
			at = file.Offset(pos)
		}
		if tok == token.STRING && literals || tok == token.COMMENT || tok == token.EOF {
			blank(prose[end:at])
			end = at + copy(prose[at:], space.Replace(text))
		}
		if tok == token.EOF {
			return prose
		}
	}
}

// blank leaves spaces and plus signs, which may stand inside a sentence that
// is put together from several strings, and marks the rest as code.
func blank(code []byte) {
	for i, c := range code {
		switch c {
		case ' ', '\t', '\n':
		case '+':
			code[i] = ' '
		default:
			code[i] = 0
		}
	}
}
