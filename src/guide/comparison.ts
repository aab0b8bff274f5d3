/** Which credential when, as data. */
export const COMPARISON = {
  question: 'Who calls the API, and who put them up to it?',
  credentials: [
    {
      method: 'OAUTH',
      name: 'OAuth access token',
      bestFor: 'Applications made by others, with the consent of a person; and machines of your own',
      obtainedBy: 'Authorization code with PKCE, refresh token, or client credentials',
      lifetime: '10 minutes, refreshed for at most 30 days',
      strengths: [
        'The person sees what is asked for, and can take it back at any time',
        'The application never sees a password',
        'Made for one resource and a few scopes',
        'Other servers can check it without a call, when it is a JWT',
      ],
      costs: ['The most to set up: a client, redirects, consent', 'Needs a browser for a person to agree in'],
      header: 'Authorization: Bearer <access token>',
      tryIt: '/api/protected/oauth',
    },
    {
      method: 'JWT',
      name: 'First-party JWT',
      bestFor: 'Your own single-page and mobile apps, where people sign in with e-mail and password',
      obtainedBy: 'POST /api/auth/login/jwt, then POST /api/auth/refresh',
      lifetime: '5 minutes, refreshed for at most 30 days',
      strengths: [
        'One request to sign in, one to refresh',
        'Lives for minutes; the refresh token is out of the reach of scripts',
        'Signing out ends it at once',
      ],
      costs: ['Only for apps you trust with the password', 'Can do all that the account can do'],
      header: 'Authorization: Bearer <JWT>',
      tryIt: '/api/protected/jwt',
    },
    {
      method: 'API_KEY',
      name: 'API key',
      bestFor: 'Scripts, servers, CI jobs and command-line tools of one account',
      obtainedBy: 'POST /api/auth/apikey/generate, once, by a signed-in account',
      lifetime: 'As chosen, up to 365 days; rotated with an overlap',
      strengths: ['One header, no flow, no library', 'Scoped, expiring, revocable, one for each use'],
      costs: ['Long-lived: whoever copies it has it', 'You must keep it in a safe place and rotate it yourself'],
      header: 'X-API-Key: <key>',
      tryIt: '/api/protected/apikey',
    },
  ],
  decision: [
    {
      when: 'Somebody else wrote the application',
      use: 'OAUTH',
      because: 'a person must consent, and be able to take it back',
    },
    {
      when: 'You wrote the application, and people sign in to it',
      use: 'JWT',
      because: 'a short JWT and a cookie are simplest',
    },
    {
      when: 'No person is there, and it is a service of its own',
      use: 'OAUTH',
      because: 'client credentials give it a name and short tokens',
    },
    {
      when: 'No person is there, and it acts for one account',
      use: 'API_KEY',
      because: 'a script should need one header',
    },
  ],
} as const
