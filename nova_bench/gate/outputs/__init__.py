"""What a comparison leaves behind: the table, `verdict.json`, JUnit XML, Markdown, GitHub's formats, the page."""
