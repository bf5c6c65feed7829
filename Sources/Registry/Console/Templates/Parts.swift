extension Templates {
  static let leaf = #"""
    {{#isNeeded}}<nav class="leaf" aria-label="Pages">{{#previous}}<a href="{{prefix}}{{previous}}" rel="prev">← Previous</a>{{/previous}}<span>{{text}}</span>{{#next}}<a href="{{prefix}}{{next}}" rel="next">Next →</a>{{/next}}</nav>{{/isNeeded}}
    """#
}
