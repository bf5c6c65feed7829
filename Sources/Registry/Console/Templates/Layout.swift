extension Templates {
  static let layout = #"""
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <title>{{title}} · {{host}}</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    {{#refresh}}<meta http-equiv="refresh" content="{{refresh}}">{{/refresh}}
    <link rel="icon" href="{{icon}}" type="image/svg+xml">
    <link rel="stylesheet" href="{{style}}">
    </head>
    <body>
    <a class="skip" href="#main">Skip to content</a>
    <header class="top"><div>
    <a class="brand" href="{{prefix}}{{home}}"><img src="{{icon}}" alt="" width="26" height="26">Clipper <span>{{host}}</span></a>
    <nav aria-label="Registry">
    <a href="{{prefix}}{{home}}"{{#atRepositories}} aria-current="true"{{/atRepositories}}>Repositories</a>
    {{#signedIn}}<a href="{{prefix}}{{activityPath}}"{{#atActivity}} aria-current="true"{{/atActivity}}>Activity</a>{{/signedIn}}
    </nav>
    <div class="who">
    {{#signedIn}}<span class="opt"><bdi>{{user}}</bdi></span><form method="post" action="{{prefix}}{{signOutPath}}"><button class="plain">Sign out</button></form>{{/signedIn}}{{^signedIn}}{{#signInLink}}<a href="{{prefix}}{{signInLink}}">Sign in</a>{{/signInLink}}{{/signedIn}}
    </div>
    </div></header>
    <main id="main" tabindex="-1">
    {{$content}}{{/content}}
    </main>
    <footer class="foot">Clipper registry · OCI distribution and Amazon ECR over the same repositories</footer>
    <script>{{{script}}}</script>
    </body>
    </html>

    """#

  static let error = #"""
    {{<layout}}{{$content}}<div class="door"><h1>{{heading}}</h1>
    <p class="lead">{{message}}</p>
    <p><a href="{{prefix}}{{home}}">All repositories</a></p></div>
    {{/content}}{{/layout}}
    """#

  static let signIn = #"""
    {{<layout}}{{$content}}<div class="door">
    <h1>Sign in</h1>
    <p class="lead">With a user of this registry, or as <code>AWS</code> with the token of <code>aws ecr get-login-password</code>.</p>
    {{#failure}}<p class="note bad" role="alert">{{failure}}</p>{{/failure}}
    <form method="post" action="{{prefix}}{{signInPath}}">
    <input type="hidden" name="next" value="{{next}}">
    <label for="user">User</label>
    <input id="user" name="user" value="{{name}}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="128" required autofocus>
    <label for="password">Password</label>
    <input id="password" name="password" type="password" autocomplete="current-password" maxlength="4096" required>
    <button class="main">Sign in</button>
    </form></div>
    {{/content}}{{/layout}}
    """#
}
