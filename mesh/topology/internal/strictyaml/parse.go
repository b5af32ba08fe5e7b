package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a file. The parser's time grows with the square of the number of
// tokens (20,000 take it half a second) and its stack with the depth of
// nesting, so both are bounded before it begins.
const (
	MaxBytes  = 256 << 10
	maxTokens = 20_000 // a thousand domains
	maxDepth  = 32     // flow collections in one another, or list and key marks on one line
	maxIndent = 256    // columns
)

// parse returns the root node of the one document in data; nil with no
// problem is an empty document.
func parse(data []byte) (root ast.Node, problem *Problem) {
	if problem := unreadable(data); problem != nil {
		return nil, problem
	}
	// The parser is somebody else's: should it panic, the file is refused like
	// any other that cannot be parsed.
	defer func() {
		if reason := recover(); reason != nil {
			root, problem = nil, &Problem{
				Code: CodeSyntax, Position: Position{1, 1},
				What: "the file cannot be parsed as YAML",
				Why:  fmt.Sprintf("the parser gave up: %v", reason),
				Cure: "simplify the file until it parses; the last thing taken out is the cause",
			}
		}
	}()
	tokens := lexer.Tokenize(string(bytes.TrimPrefix(data, []byte("\ufeff"))))
	if problem := excessive(tokens); problem != nil {
		return nil, problem
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxProblem(err)
	}
	return onlyDocument(file)
}

// unreadable refuses what no YAML file holds.
func unreadable(data []byte) *Problem {
	if len(data) > MaxBytes {
		return &Problem{
			Code: CodeTooLarge, Position: Position{1, 1},
			What: fmt.Sprintf("the file has more than %d KiB", MaxBytes>>10),
			Why:  "a file this large is not one that people wrote",
			Cure: "check that it is the right file",
		}
	}
	at := Position{1, 1}
	for rest := data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		var what string
		switch {
		case r == utf8.RuneError && size == 1:
			what = fmt.Sprintf("the byte 0x%02x is not UTF-8", rest[0])
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
			what = fmt.Sprintf("the control character 0x%02x", r)
		}
		if what != "" {
			return &Problem{
				Code: CodeSyntax, Position: at, What: what,
				Why: "YAML is printable text in UTF-8", Cure: "save the file as UTF-8 and take the character out",
			}
		}
		at.Column++
		if r == '\n' {
			at = Position{at.Line + 1, 1}
		}
		rest = rest[size:]
	}
	return nil
}

// excessive refuses what would take the parser's time or stack.
func excessive(tokens token.Tokens) *Problem {
	flow, marks, line := 0, 0, 0
	for i, t := range tokens {
		if i == maxTokens {
			return &Problem{
				Code: CodeTooLarge, Position: place(t),
				What: "the file goes on after what is read of it",
				Why:  fmt.Sprintf("it has %d words and marks, and %d are the most", len(tokens), maxTokens),
				Cure: "check that it is the right file",
			}
		}
		if t.Position == nil {
			continue
		}
		if t.Position.Line != line {
			line, marks = t.Position.Line, 0
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType, token.AliasType:
			marks++
		}
		if flow > maxDepth || marks > maxDepth || t.Position.IndentNum > maxIndent {
			return &Problem{
				Code: CodeTooLarge, Position: place(t),
				What: "the nesting is too deep",
				Why:  fmt.Sprintf("at most %d levels on one line and %d columns of indentation are read", maxDepth, maxIndent),
				Cure: "no key of this file needs so many levels: take them out",
			}
		}
	}
	return nil
}

func syntaxProblem(err error) *Problem {
	problem := &Problem{
		Code: CodeSyntax, Position: Position{1, 1}, What: "the file is not YAML", Why: err.Error(),
		Cure: "check indentation (spaces, no tabs), colons, quotes and brackets around this place",
	}
	var located yaml.Error
	if errors.As(err, &located) {
		problem.Why = firstLine(located.GetMessage())
		if t := located.GetToken(); t != nil && t.Position != nil {
			problem.Position = place(t)
		}
	}
	return problem
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// onlyDocument returns the body of the file's one document.
func onlyDocument(file *ast.File) (ast.Node, *Problem) {
	var root ast.Node
	for _, document := range file.Docs {
		switch {
		case document.Body == nil:
		case document.Body.Type() == ast.DirectiveType, document.Body.Type() == ast.CommentType:
		case root != nil:
			return nil, &Problem{
				Code: CodeSyntax, Position: start(document.Body),
				What: "a second document begins here",
				Why:  "this file is one document",
				Cure: "remove the line `---` above, or keep the second document in a file of its own",
			}
		default:
			root = document.Body
		}
	}
	return root, nil
}

// place is a token's position, never before the first line and column.
func place(t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{1, 1}
	}
	return Position{max(1, t.Position.Line), max(1, t.Position.Column)}
}

// start is where a node's text begins; the library's own token of a mapping
// is the colon of its first pair.
func start(n ast.Node) Position {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return start(n.Values[0].Key)
		}
		return place(n.Start)
	case *ast.MappingValueNode:
		return start(n.Key)
	case *ast.SequenceNode:
		return place(n.Start)
	}
	return place(n.GetToken())
}
