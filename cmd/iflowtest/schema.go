package main

import (
	"github.com/spf13/cobra"

	"iflowtest/assertions"
	"iflowtest/runner"
	"iflowtest/scenarios"
)

func (p *program) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "print the JSON Schema of the language",
		Long: `Print the JSON Schema (2020-12) of scenario files, with environments and included
files under $defs, for editors: completion, hover and checking while you type.`,
		Example: `  iflowtest schema > iflowtest.schema.json
  # first line of a scenario: # yaml-language-server: $schema=iflowtest.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			schema, err := languageSchema()
			if err != nil {
				return err
			}
			_, err = p.out.Write(schema)
			return err
		},
	}
}

// languageSchema gives the JSON Schema of the language.
func languageSchema() ([]byte, error) {
	var kinds []scenarios.KindSchema
	for _, k := range runner.Kinds() {
		kinds = append(kinds, scenarios.KindSchema{Name: k.Name, Doc: k.Summary, Shape: k.Shape, Subjects: k.Subjects})
	}
	var subjects []string
	for _, s := range assertions.SubjectDocs() {
		subjects = append(subjects, s.Name)
	}
	return scenarios.JSONSchema(kinds, assertions.ExpectSchema(subjects), assertions.CaptureSchema(), assertions.MatcherSchema())
}
