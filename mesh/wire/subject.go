package wire

import (
	"fmt"
	"strings"
)

// SharedEntity is the entity under which a domain's shared definitions are
// registered (orders.common.address). It is never an event's.
const SharedEntity = "common"

// Subject is the subject an application publishes on, taken apart:
// <domain>.<entity>[.<action>[.<key>…]].
type Subject struct {
	Domain string
	Entity string
	Action string   // empty for an event about the whole entity
	Keys   []string // key tokens after the action
}

// Type is the event's type, <domain>.<entity>[.<action>].
func (s Subject) Type() string {
	if s.Action == "" {
		return s.Domain + "." + s.Entity
	}
	return s.Domain + "." + s.Entity + "." + s.Action
}

// EntityType is the registry subject of the whole entity, whose schema serves
// every action that has no subject of its own.
func (s Subject) EntityType() string { return s.Domain + "." + s.Entity }

// String is the subject as it is published on.
func (s Subject) String() string {
	if len(s.Keys) == 0 {
		return s.Type()
	}
	return s.Type() + "." + strings.Join(s.Keys, ".")
}

// ParseSubject takes a subject apart. It refuses empty tokens, wildcards,
// white space and control characters, and names of fewer than two tokens.
func ParseSubject(subject string) (Subject, error) {
	tokens := strings.Split(subject, ".")
	if len(tokens) < 2 {
		return Subject{}, fmt.Errorf("subject %q has %d token: an event's subject is <domain>.<entity>.<action>, then key tokens", subject, len(tokens))
	}
	for i, token := range tokens {
		if !ValidToken(token) {
			return Subject{}, fmt.Errorf("subject %q: token %d (%q) is empty or holds white space, a control character or one of '*', '>'", subject, i+1, token)
		}
	}
	s := Subject{Domain: tokens[0], Entity: tokens[1]}
	if len(tokens) > 2 {
		s.Action, s.Keys = tokens[2], tokens[3:]
	}
	if len(s.Keys) == 0 {
		s.Keys = nil
	}
	return s, nil
}

// ValidToken reports whether token can stand as one token of a literal subject.
func ValidToken(token string) bool {
	if token == "" {
		return false
	}
	for i := range len(token) {
		switch b := token[i]; {
		case b <= ' ', b == 0x7f, b == '.', b == '*', b == '>':
			return false
		}
	}
	return true
}
