//! The card of a dataset, `README.md`: front matter for dataset viewers, then what a person asks.
use crate::Provenance;

/// What the card tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatasetCard {
    /// Title.
    pub name: String,
    /// (split, frames, images and labels in bytes), in the order train, val, test.
    pub splits: Vec<(String, u64, u64)>,
    /// Number of identities.
    pub identities: u64,
    /// Of `frames`: column, type, unit, description.
    pub columns: Vec<[String; 4]>,
    /// Of `identities`, likewise.
    pub identity_columns: Vec<[String; 4]>,
    /// How it was made.
    pub provenance: Provenance,
    /// As the Hub spells it; without it what [`DatasetCard::license`] says.
    pub license: Option<String>,
}

impl DatasetCard {
    /// The license: the one that was asked for, else what follows from what renders are made of.
    pub fn license(&self) -> &str {
        let origin = self.provenance.origin();
        match (&self.license, origin.tool.as_str()) {
            (Some(license), _) => license,
            (None, "datagen") => Ingredients::of(&origin).license(),
            (None, _) => "unknown",
        }
    }

    /// `README.md`.
    pub fn to_markdown(&self) -> String {
        [self.front_matter(), self.origin(), self.contents(), self.recipe(), self.rights(), self.reading()].concat()
    }

    /// Images show in viewers because the shards say which columns are images; this tells where the shards are.
    fn front_matter(&self) -> String {
        let frames: u64 = self.splits.iter().map(|s| s.1).sum();
        let kind = if self.provenance.origin().tool == "datagen" { "synthetic, " } else { "" };
        let mut text = format!(
            "---\npretty_name: {:?}\nlicense: {}\ntags: [{kind}faces, heads, 3d, landmarks, camera-pose]\n\
             task_categories: [image-segmentation, keypoint-detection, depth-estimation, image-feature-extraction]\n\
             size_categories: [{}]\nconfigs:\n- config_name: frames\n  default: true\n  data_files:\n",
            self.name,
            self.license(),
            size_category(frames)
        );
        for (split, ..) in &self.splits {
            let public = if split == "val" { "validation" } else { split };
            text += &format!("  - split: {public}\n    path: frames/{split}-*.parquet\n");
        }
        if self.identities > 0 {
            text += "- config_name: identities\n  data_files: identities/*.parquet\n";
        }
        text + "---\n"
    }

    fn origin(&self) -> String {
        let p = &self.provenance;
        let (tool, version, commit, seed) = (&p.tool, &p.tool_version, &p.git_commit, p.seed);
        let mut text = format!(
            "# {}\n\nMade by `{tool} {version}` (commit {commit}), seed {seed}; the plan is in `plan.toml`, \
             its SHA-256 is `{}`.\n\n| split | frames | bytes |\n| --- | ---: | ---: |\n",
            self.name, p.config_hash
        );
        text.extend(self.splits.iter().map(|(split, rows, bytes)| format!("| {split} | {rows} | {bytes} |\n")));
        text + &format!("\n{} identities; the splits share none.\n", self.identities)
    }

    fn contents(&self) -> String {
        let mut text = String::new();
        for (table, what, columns) in
            [("frames", "one row an image", &self.columns), ("identities", "one row a person", &self.identity_columns)]
        {
            if !columns.is_empty() {
                text += &format!(
                    "\n## `{table}`: {what}\n\n| column | type | unit | meaning |\n| --- | --- | --- | --- |\n"
                );
                let line =
                    |[name, kind, unit, what]: &[String; 4]| format!("| `{name}` | {kind} | {unit} | {what} |\n");
                text.extend(columns.iter().map(line));
            }
        }
        text + "\nSpace: right-handed, metres, y up, the head faces +z; cameras look along +z, x right, y down; pixels from \
                the top left corner, centres at +0.5.\n"
    }

    fn recipe(&self) -> String {
        let p = &self.provenance;
        let mut text = String::from("\n## Recipe\n\n");
        text += &match p.tool.as_str() {
            "datagen" => "The same plan gives the same bytes, on any machine, in any number of tasks:\n\n```sh\n\
                          cp plan.toml NEW/ && datagen render --out NEW && shards merge NEW\n```\n"
                .to_string(),
            "shards" if p.source().is_some() => {
                "Chosen and reduced from another dataset by `shards pack`; `plan.toml` holds its \
                                                 settings and the plan of that dataset.\n"
                    .into()
            }
            "shards" => "Imported from a folder of images: `shards import FOLDER --out DIR`.\n".into(),
            tool => format!("Made by `{tool}` with the settings in `plan.toml` from the inputs below.\n"),
        };
        if !p.inputs.is_empty() {
            text += "\n| input | SHA-256 |\n| --- | --- |\n";
            text.extend(p.inputs.iter().map(|(name, sha256)| format!("| {name} | `{sha256}` |\n")));
        }
        text
    }

    fn rights(&self) -> String {
        let mut text = format!("\n## Licence\n\n`{}`. ", self.license());
        let origin = self.provenance.origin();
        text += &match origin.tool.as_str() {
            "datagen" => Ingredients::of(&origin).sentences(),
            _ => "The pictures belong to whoever made them.".into(),
        };
        if self.license.is_some() {
            text += " The licence above was named by whoever wrote this card.";
        }
        text + "\n"
    }

    fn reading(&self) -> String {
        let split = self.splits.first().map_or("train", |s| s.0.as_str());
        format!(
            "\n## Reading\n\n```python\n\
             from datasets import load_dataset                       # images come decoded\n\
             frames = load_dataset(\".\", \"frames\", split=\"{public}\")\n\n\
             import duckdb\n\
             duckdb.sql(\"SELECT frame_id, split, landmarks_2d[1] FROM 'frames/*.parquet' LIMIT 5\")\n\n\
             import io, polars, PIL.Image\n\
             row = polars.scan_parquet(\"frames/{split}-*.parquet\").select(\"frame_id\", \"image\").head(1).collect()\n\
             PIL.Image.open(io.BytesIO(row[\"image\"][0][\"bytes\"]))\n```\n",
            public = if split == "val" { "validation" } else { split }
        )
    }
}

/// What renders are made of that somebody may have rights in, as their plan tells.
struct Ingredients {
    /// `makehuman`, `analytic`, `ict`, …; empty when the plan does not tell.
    head: String,
    /// Environment maps from files.
    light_maps: usize,
}

impl Ingredients {
    fn of(provenance: &Provenance) -> Self {
        let plan: toml::Table = provenance.config_toml.parse().unwrap_or_default();
        let head = plan.get("head_source").and_then(|v| v.as_str()).unwrap_or_default().to_string();
        let light_maps = plan.get("light_maps_sha256").and_then(|v| v.as_array()).map_or(0, Vec::len);
        Ingredients { head, light_maps }
    }

    /// As the Hub spells it; where somebody else's terms decide, none is claimed.
    fn license(&self) -> &'static str {
        match (self.head.as_str(), self.light_maps) {
            ("makehuman" | "analytic", 0) => "cc0-1.0",
            ("ict", 0) => "mit",
            _ => "unknown",
        }
    }

    fn sentences(&self) -> String {
        let mut text =
            "Renders of people who do not exist; skin, eyes, hair, garments and lights are computed. ".to_string();
        text += &match self.head.as_str() {
            "makehuman" => "The head is MakeHuman's, which is CC0 1.0.".to_string(),
            "analytic" => "The head is made from formulas.".to_string(),
            "ict" => {
                "The head is ICT-FaceKit's (University of Southern California, Institute for Creative Technologies), \
                      which is MIT: pass its notice on."
                    .to_string()
            }
            "" => "The plan does not tell which head model they were made of; its licence holds.".to_string(),
            other => format!("The head model is {other:?}; its licence holds."),
        };
        if self.light_maps > 0 {
            text += &format!(" Lit by {} environment maps from files; their licences hold too.", self.light_maps);
        }
        text
    }
}

/// The Hub's classes.
fn size_category(rows: u64) -> &'static str {
    match rows {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        10_000_000..100_000_000 => "10M<n<100M",
        _ => "100M<n<1B",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(tool: &str, plan: &str) -> DatasetCard {
        DatasetCard {
            name: "a \"set\"".into(),
            splits: vec![("train".into(), 1500, 9), ("val".into(), 2, 9)],
            provenance: Provenance::new(tool, "1", plan, 7),
            ..DatasetCard::default()
        }
    }

    #[test]
    fn the_front_matter_tells_where_shards_are() {
        let text = card("datagen", "head_source = \"makehuman\"\n").to_markdown();
        assert!(text.starts_with("---\npretty_name: \"a \\\"set\\\"\"\nlicense: cc0-1.0\n"), "{text}");
        assert!(
            text.contains("size_categories: [1K<n<10K]")
                && text.contains("  - split: validation\n    path: frames/val-*.parquet")
        );
    }

    #[test]
    fn the_license_follows_from_what_the_renders_are_made_of() {
        for (plan, license, words) in [
            ("head_source = \"makehuman\"", "cc0-1.0", "MakeHuman's, which is CC0"),
            ("head_source = \"analytic\"", "cc0-1.0", "made from formulas"),
            ("head_source = \"ict\"", "mit", "pass its notice on"),
            ("head_source = \"flame\"", "unknown", "\"flame\"; its licence holds"),
            ("a = 1", "unknown", "does not tell which head model"),
            ("head_source = \"makehuman\"\nlight_maps_sha256 = [\"0\", \"1\"]", "unknown", "Lit by 2 environment maps"),
        ] {
            let card = card("datagen", plan);
            let text = card.to_markdown();
            assert_eq!(card.license(), license, "{plan}");
            assert!(text.contains(words) && text.contains(&format!("\nlicense: {license}\n")), "{text}");
        }
        let renders = card("datagen", "head_source = \"makehuman\"").provenance;
        let mut plan = toml::Table::new();
        plan.insert("source".into(), toml::Value::Table(renders.as_source()));
        let packed = card("shards", &plan.to_string());
        let text = packed.to_markdown();
        assert!(packed.license() == "cc0-1.0" && text.contains("MakeHuman's, which is CC0"), "{text}");
        assert!(text.contains("by `shards pack`") && !text.contains("Imported"), "{text}");
        // Photos are not ours to give, whatever tracked them; who publishes may know better.
        assert_eq!(card("track", "").license(), "unknown");
        let named = DatasetCard { license: Some("mit".into()), ..card("track", "") };
        assert!(named.license() == "mit" && named.to_markdown().contains("named by whoever wrote this card"));
    }
}
