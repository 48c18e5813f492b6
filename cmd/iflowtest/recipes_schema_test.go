package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// recipeSchema compiles a schema of the package that make recipes installs.
func recipeSchema(t *testing.T, file string) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	// A name that is not the one in the schema, so that nothing is fetched.
	c := jsonschema.NewCompiler()
	c.UseRegexpEngine(lookahead)
	if err := c.AddResource("recipe.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("recipe.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// lookahead compiles an expression of ECMAScript; what Go cannot look ahead to
// is not looked at.
func lookahead(pattern string) (jsonschema.Regexp, error) {
	return regexp.Compile(regexp.MustCompile(`\(\?[=!][^)]*\)`).ReplaceAllString(pattern, ""))
}

// TestRecipeSchemas checks the recipes against the public schemas of their CI
// servers. RECIPE_SCHEMAS is the folder of the package that holds them; make
// recipes installs it and sets the variable.
func TestRecipeSchemas(t *testing.T) {
	root := os.Getenv("RECIPE_SCHEMAS")
	if root == "" {
		t.Skip("RECIPE_SCHEMAS names no folder: make recipes installs the schemas and sets it")
	}
	for _, c := range []struct {
		file, schema string
		// A mistake that the schema has to see.
		right, wrong string
		read         func(t *testing.T, text string) any
	}{
		{"github-actions.yml", "github-workflow.json", "runs-on:", "run-on:", yamlValue},
		{"gitlab-ci.yml", "gitlab.com/gitlab-org/gitlab/-/raw/master/app/assets/javascripts/editor/schema/ci.json", "when: always", "when: forever", yamlValue},
		{"azure-pipelines.yml", "raw.githubusercontent.com/microsoft/azure-pipelines-vscode/master/service-schema.json", "displayName:", "displayTitle:", yamlTexts},
	} {
		t.Run(c.file, func(t *testing.T) {
			schema := recipeSchema(t, filepath.Join(root, filepath.FromSlash(c.schema)))
			text := string(readRecipe(t, c.file))
			if err := schema.Validate(c.read(t, text)); err != nil {
				t.Error(err)
			}
			broken := strings.Replace(text, c.right, c.wrong, 1)
			if broken == text {
				t.Fatalf("%q is not in the recipe", c.right)
			}
			if schema.Validate(c.read(t, broken)) == nil {
				t.Errorf("the schema takes %q for %q", c.wrong, c.right)
			}
		})
	}
}

// yamlValue reads YAML with its types; the key "on" is a text.
func yamlValue(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// yamlTexts reads YAML as Azure Pipelines does: every scalar is a text, but for
// one key that its schema gives another type.
func yamlTexts(t *testing.T, text string) any {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	var value any
	textsOnly(&root)
	if err := root.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func textsOnly(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		n.Tag = "!!str"
	}
	for i, c := range n.Content {
		if i == 0 || n.Kind != yaml.MappingNode || n.Content[i-1].Value != "continueOnError" {
			textsOnly(c)
		}
	}
}
