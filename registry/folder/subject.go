package folder

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	sharedEntity = "common" // the folder, and the entity, of definitions that schemas share
	wholeEntity  = "event"  // the file that speaks for all actions of its entity
)

// subjectOf is the registry subject of the file at name, relative to the folder.
func subjectOf(domain, name string) (string, *Problem) {
	refuse := func(what, why, cure string) (string, *Problem) {
		return "", &Problem{Code: CodeName, File: name, What: what, Why: why, Cure: cure}
	}
	tokens := strings.Split(strings.TrimSuffix(name, Suffix), "/")
	for _, token := range tokens {
		if why := badToken(token); why != "" {
			return refuse(fmt.Sprintf("%q cannot be part of a subject", token), why, "rename it: letters, digits, - and _ always do")
		}
	}
	entity, last := tokens[0], len(tokens)-1
	switch {
	case entity == sharedEntity && last == 0:
		return refuse("common is not an entity", "the name is kept for definitions that schemas share", "put them into the folder "+sharedEntity+"/")
	case entity == sharedEntity:
	case last == 0 && entity == wholeEntity:
		return refuse("it belongs to no entity", "a subject is <domain>.<entity>.<action>", "put it into the entity's folder: <entity>/"+wholeEntity+Suffix)
	case last > 1:
		return refuse("it lies too deep", "an event type has two parts after the domain, <entity>/<action>",
			"move it to <entity>/<action>"+Suffix+", or below "+sharedEntity+"/ if other schemas refer to it")
	case last == 1 && tokens[1] == wholeEntity:
		tokens = tokens[:1]
	}
	return domain + "." + strings.Join(tokens, "."), nil
}

// badToken says why token cannot stand between the dots of a subject; "" if it can.
func badToken(token string) string {
	if token == "" {
		return "it is empty"
	}
	if !utf8.ValidString(token) {
		return "it is not valid UTF-8"
	}
	for _, c := range token {
		switch {
		case c == '.':
			return "a dot separates the parts of a subject"
		case c == '*', c == '>':
			return fmt.Sprintf("%q stands for any part of a subject", c)
		case c <= ' ', c == 0x7f, c == '\u0085', c == '\u00a0', c == '\u2028', c == '\u2029':
			return "white space and control characters cannot stand in a subject"
		case c == '\\':
			return "a backslash is a folder's separator on some systems"
		}
	}
	return ""
}
