package topology

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
)

// digestHeader begins what is hashed, so that another form of the same
// policy, should there be one, gives another digest.
const digestHeader = "lockstep/policy/1\n"

// Digest identifies what a policy says, in 16 hexadecimal digits: it is the
// same wherever and however the policy is written, with defaults given or left
// out, and another once a rule changes. The name is not part of it.
func (p Policy) Digest() (string, error) {
	effective := p.Policy
	effective.Defaults = effective.Defaults.Resolve()
	text, err := json.Marshal(effective)
	if err != nil {
		return "", fmt.Errorf("digest of the policy %s: %w", p.Name, err)
	}
	var tree any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		return "", fmt.Errorf("digest of the policy %s: %w", p.Name, err)
	}
	// Keys are sorted, and what is empty is left out: a rule that a later
	// version may also have and this policy does not use changes nothing.
	canonical, err := json.Marshal(withoutEmpty(tree))
	if err != nil {
		return "", fmt.Errorf("digest of the policy %s: %w", p.Name, err)
	}
	sum := sha256.Sum256(append([]byte(digestHeader), canonical...))
	return hex.EncodeToString(sum[:8]), nil
}

// Reference is NAME@DIGEST, the value of the header Lockstep-Policy.
func (p Policy) Reference() (string, error) {
	digest, err := p.Digest()
	return p.Name + "@" + digest, err
}

func (p Policy) clone() Policy {
	p.Classes = maps.Clone(p.Classes)
	return p
}

func withoutEmpty(tree any) any {
	object, ok := tree.(map[string]any)
	if !ok {
		return tree
	}
	kept := map[string]any{}
	for key, value := range object {
		switch value := withoutEmpty(value).(type) {
		case nil:
		case string:
			if value != "" {
				kept[key] = value
			}
		case map[string]any:
			if len(value) > 0 {
				kept[key] = value
			}
		default:
			kept[key] = value
		}
	}
	return kept
}
