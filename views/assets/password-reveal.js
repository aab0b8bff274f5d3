// Gives each password field a button that shows what was typed. Without JavaScript it is a plain field.

function addReveal(frame) {
  const input = frame.querySelector('input')
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'reveal'

  const show = (shown) => {
    input.type = shown ? 'text' : 'password'
    button.textContent = shown ? 'Hide' : 'Show'
    button.ariaLabel = shown ? 'Hide password' : 'Show password'
  }
  button.addEventListener('click', () => show(input.type === 'password'))
  // Password managers and form history must meet a password field.
  input.form.addEventListener('submit', () => show(false))

  show(false)
  frame.append(button)
}

for (const frame of document.querySelectorAll('.password')) addReveal(frame)
